"""SQL of the ledger itself: accounts, their balances, and lines that are never changed again."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, Row, Select, bindparam, case, exists, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.statements import Statement
from payment_svc.domain import Posting, Transfer
from payment_svc.tables import earnings, entries, hold_lines, ledger_accounts

Found = Row[*tuple[Any, ...]]

_FRESH_ACCOUNT = upsert(ledger_accounts)
_CREDIT = Statement(
    _FRESH_ACCOUNT.on_conflict_do_update(
        index_elements=[ledger_accounts.c.id],
        set_={"posted": ledger_accounts.c.posted + _FRESH_ACCOUNT.excluded.posted},
    ),
    tuple,
    keys=("id", "posted"),
)
# One statement for all lines: the trigger that refuses unbalanced transfers looks at statements.
_POST = Statement(
    text(
        """
    INSERT INTO payment.entries
      (transfer_id, account, kind, task_id, step_id, ledger_account, amount)
    SELECT * FROM unnest(
      CAST(:transfers AS text[]), CAST(:owners AS text[]), CAST(:kinds AS text[]),
      CAST(:tasks AS text[]), CAST(:steps AS text[]), CAST(:accounts AS text[]),
      CAST(:amounts AS numeric[]))
    """
    ),
    tuple,
)
_MOVE = (
    update(ledger_accounts)
    .where(ledger_accounts.c.id == bindparam("name"))
    .values(
        posted=ledger_accounts.c.posted + bindparam("amount"),
        # A seller may have been paid what a payer gets back now: that is owed.
        owed=case(
            (
                ledger_accounts.c.id.like("seller:%"),
                func.greatest(
                    0, ledger_accounts.c.held - ledger_accounts.c.posted - bindparam("amount")
                ),
            ),
            else_=ledger_accounts.c.owed,
        ),
    )
)


async def credit(conn: AsyncConnection, postings: Iterable[Posting]) -> None:
    """Add postings to their ledger accounts' balances, opening accounts that are new."""
    sums: dict[str, Decimal] = {}
    for line in postings:
        sums[line.ledger_account] = sums.get(line.ledger_account, Decimal(0)) + line.amount
    if sums:
        rows = [{"id": name, "posted": amount} for name, amount in sorted(sums.items())]
        await _CREDIT.run_each(conn, rows)


async def move(conn: AsyncConnection, postings: Sequence[Posting]) -> None:
    """Add postings to the balances of ledger accounts that exist: wallets first, as everywhere."""
    ordered = sorted(
        postings, key=lambda p: (not p.ledger_account.startswith("wallet:"), p.ledger_account)
    )
    await conn.execute(_MOVE, [{"name": p.ledger_account, "amount": p.amount} for p in ordered])


async def shift(conn: AsyncConnection, postings: Sequence[Posting]) -> None:
    """Add postings to balances, of which those that gain may be of accounts that are new."""
    for line in sorted(postings, key=lambda p: p.ledger_account):
        await (credit if line.amount > 0 else move)(conn, [line])


async def post(conn: AsyncConnection, transfers: Sequence[Transfer]) -> None:
    """Append the lines of transfers to the ledger; they are never changed again."""
    lines = [(transfer, line) for transfer in transfers for line in transfer.postings]
    if lines:
        await _POST.run(
            conn,
            {
                "transfers": [transfer.id for transfer, _ in lines],
                "owners": [transfer.account for transfer, _ in lines],
                "kinds": [transfer.kind for transfer, _ in lines],
                "tasks": [transfer.task_id for transfer, _ in lines],
                "steps": [transfer.step_id for transfer, _ in lines],
                "accounts": [line.ledger_account for _, line in lines],
                "amounts": [line.amount for _, line in lines],
            },
        )


async def open_wallet(conn: AsyncConnection, wallet: str) -> bool:
    """Open a wallet with nothing in it; False when it exists."""
    done = await conn.execute(upsert(ledger_accounts).values(id=wallet).on_conflict_do_nothing())
    return done.rowcount == 1


async def close(conn: AsyncConnection, wallet: str, reason: str) -> tuple[datetime, str]:
    """Close a wallet; when and why it was closed first."""
    query = (
        update(ledger_accounts)
        .where(ledger_accounts.c.id == wallet)
        .values(
            closed_at=func.coalesce(ledger_accounts.c.closed_at, func.now()),
            closed_reason=func.coalesce(ledger_accounts.c.closed_reason, reason),
        )
        .returning(ledger_accounts.c.closed_at, ledger_accounts.c.closed_reason)
    )
    closed_at, why = (await conn.execute(query)).one()
    return closed_at, why


async def is_closed(conn: AsyncConnection, wallet: str) -> bool:
    """Whether a wallet is closed; it is locked against that until the end of the transaction."""
    query = select(ledger_accounts.c.closed_at).where(ledger_accounts.c.id == wallet)
    closed_at = (await conn.execute(query.with_for_update(read=True))).scalar_one_or_none()
    return closed_at is not None


async def wallet(conn: AsyncConnection, ledger_account: str) -> Found | None:
    """A ledger account's balances."""
    query = select(ledger_accounts).where(ledger_accounts.c.id == ledger_account)
    return (await conn.execute(query)).one_or_none()


async def statement(
    conn: AsyncConnection, account: str, ledger_account: str, limit: int, before: int | None
) -> Sequence[Found]:
    """Lines of an account's transfers in a ledger account, newest first, one more than `limit`."""
    query = select(entries).where(
        entries.c.account == account, entries.c.ledger_account == ledger_account
    )
    return await _page(conn, query, entries.c.id, limit, before)


async def owners_statement(
    conn: AsyncConnection, account: str, ledger_account: str, limit: int, before: int | None
) -> Sequence[Found]:
    """The same of all lines about what the account's agents earned, whoever's transfers they are.

    What an agent earned for another owner is not among them.
    """
    of_mine = exists().where(earnings.c.step_id == entries.c.step_id, earnings.c.owner == account)
    # The index of these accounts is asked by the words that it was made with.
    known = or_(entries.c.ledger_account.like("agent:%"), entries.c.ledger_account.like("seller:%"))
    query = select(entries).where(
        entries.c.ledger_account == ledger_account,
        known,
        or_(entries.c.account == account, of_mine),
    )
    return await _page(conn, query, entries.c.id, limit, before)


async def journal(
    conn: AsyncConnection, account: str, task_id: str, limit: int, before: int | None
) -> Sequence[Found]:
    """Movements of an account's holds for a task, newest first, one more than `limit`."""
    query = select(hold_lines).where(
        hold_lines.c.task_id == task_id, hold_lines.c.account == account
    )
    return await _page(conn, query, hold_lines.c.id, limit, before)


async def _page(
    conn: AsyncConnection,
    query: Select[*tuple[Any, ...]],
    id_: Column[Any],
    limit: int,
    before: int | None,
) -> Sequence[Found]:
    if before is not None:
        query = query.where(id_ < before)
    return (await conn.execute(query.order_by(id_.desc()).limit(limit + 1))).all()
