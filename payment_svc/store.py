"""All SQL of the payment service. Nothing here commits: the chassis does, once per message.

Rows are locked in one order everywhere (hold, budget, wallet, other ledger accounts by name), so
that concurrent movements wait for each other instead of deadlocking.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Row,
    String,
    Table,
    and_,
    bindparam,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.payment import PlaceHold
from payment_svc.domain import Posting, Transfer, wallet_of
from payment_svc.tables import MONEY, budgets, holds, ledger_accounts

Found = Row[*tuple[Any, ...]]

_PLACED_COLUMNS = (
    "id",
    "account",
    "task_id",
    "agent_id",
    "asked",
    "held",
    "replaces",
    "list_price",
)

# Statements of the hot path are built once: building costs more time than running them.
# One statement whether the hold replaces another or not, so that a hold costs the same.
_INSERT_HOLD = text(
    """
    WITH placed AS (
      INSERT INTO payment.holds
        (id, account, task_id, agent_id, asked, held, status, replaces, list_price)
      VALUES (:hold, :account, :task, :agent, :amount, :amount, 'held', :replaces, :list_price)
      ON CONFLICT DO NOTHING RETURNING id),
    replaced AS (
      UPDATE payment.holds SET status = 'released', resolved_at = now()
      WHERE id = :replaces AND id <> :hold AND account = :account AND task_id = :task
        AND status = 'held' RETURNING held)
    SELECT EXISTS (SELECT FROM placed) AS placed,
           coalesce((SELECT held FROM replaced), 0) AS freed
    """
).bindparams(
    *(bindparam(name, type_=String) for name in ("hold", "account", "task", "agent", "replaces")),
    *(bindparam(name, type_=MONEY) for name in ("amount", "list_price")),
)
_FRESH_BUDGET = upsert(budgets)
_MOST = func.greatest(budgets.c.max_budget, _FRESH_BUDGET.excluded.max_budget)
_HELD_THEN = budgets.c.held + _FRESH_BUDGET.excluded.held - bindparam("freed", type_=MONEY)
_RESERVE_BUDGET = _FRESH_BUDGET.values(
    task_id=bindparam("task"),
    account=bindparam("owner"),
    max_budget=bindparam("most"),
    held=bindparam("amount"),
).on_conflict_do_update(
    index_elements=[budgets.c.task_id],
    set_={"held": _HELD_THEN, "max_budget": _MOST},
    where=and_(
        budgets.c.account == _FRESH_BUDGET.excluded.account,
        _HELD_THEN + budgets.c.captured <= _MOST,
    ),
)
_RESERVE_WALLET = (
    update(ledger_accounts)
    .where(
        ledger_accounts.c.id == bindparam("wallet"),
        ledger_accounts.c.posted - ledger_accounts.c.held >= bindparam("amount"),
    )
    .values(held=ledger_accounts.c.held + bindparam("amount"))
)
_SETTLE_BUDGET = (
    update(budgets)
    .where(budgets.c.task_id == bindparam("task"))
    .values(
        held=budgets.c.held - bindparam("freed"), captured=budgets.c.captured + bindparam("spent")
    )
)
_SETTLE_WALLET = (
    update(ledger_accounts)
    .where(ledger_accounts.c.id == bindparam("wallet"))
    .values(
        held=ledger_accounts.c.held - bindparam("freed"),
        posted=ledger_accounts.c.posted - bindparam("spent"),
    )
)
_FRESH_ACCOUNT = upsert(ledger_accounts)
_CREDIT = _FRESH_ACCOUNT.on_conflict_do_update(
    index_elements=[ledger_accounts.c.id],
    set_={"posted": ledger_accounts.c.posted + _FRESH_ACCOUNT.excluded.posted},
)
# One statement for all lines: the trigger that refuses unbalanced transfers looks at statements.
_POST = text(
    """
    INSERT INTO payment.entries
      (transfer_id, account, kind, task_id, step_id, ledger_account, amount)
    SELECT * FROM unnest(
      CAST(:transfers AS text[]), CAST(:owners AS text[]), CAST(:kinds AS text[]),
      CAST(:tasks AS text[]), CAST(:steps AS text[]), CAST(:accounts AS text[]),
      CAST(:amounts AS numeric[]))
    """
)
_CAPTURE_HOLD = (
    update(holds)
    .where(holds.c.id == bindparam("hold"))
    .values(status="captured", resolved_at=func.now())
)


async def insert_hold(conn: AsyncConnection, account: str, request: PlaceHold) -> Decimal | None:
    """Store a hold, and release the one that it replaces if that is still open.

    Returns:
        What was held for the replaced step, to be freed in budget and wallet; None when the hold's
        id is known already.
    """
    done = await conn.execute(
        _INSERT_HOLD,
        {
            "hold": request.hold_id,
            "account": account,
            "task": request.task_id,
            "agent": request.agent_id,
            "amount": request.amount,
            "replaces": request.replaces,
            "list_price": request.list_price,
        },
    )
    row = done.one()
    return Decimal(row.freed) if row.placed else None


async def find_hold(conn: AsyncConnection, hold_id: str, *, lock: bool = False) -> Found | None:
    """A hold by its id, locked until the end of the transaction when asked."""
    query = select(holds).where(holds.c.id == hold_id)
    return (await conn.execute(query.with_for_update() if lock else query)).one_or_none()


async def reserve_budget(
    conn: AsyncConnection,
    account: str,
    request: PlaceHold,
    freed: Decimal = Decimal(0),
) -> bool:
    """Set a hold's amount of its task's budget aside; False when the budget does not allow it.

    The first hold of a task makes its budget. A later one can raise it, never lower it.

    Args:
        conn: the transaction's.
        account: whose task it is.
        request: what is to be held, and the budget as the asking service knows it.
        freed: what came free in the same transaction.
    """
    if request.amount > request.max_budget:
        return False
    done = await conn.execute(
        _RESERVE_BUDGET,
        {
            "task": request.task_id,
            "owner": account,
            "most": request.max_budget,
            "amount": request.amount,
            "freed": freed,
        },
    )
    return done.rowcount == 1


async def reserve_wallet(conn: AsyncConnection, wallet: str, amount: Decimal) -> bool:
    """Set `amount` of a wallet aside; False when less than that is available."""
    done = await conn.execute(_RESERVE_WALLET, {"wallet": wallet, "amount": amount})
    return done.rowcount == 1


async def lock_budget(conn: AsyncConnection, task_id: str) -> Found:
    """A task's budget row, locked until the end of the transaction."""
    return (
        await conn.execute(select(budgets).where(budgets.c.task_id == task_id).with_for_update())
    ).one()


async def lock_available(conn: AsyncConnection, wallet: str) -> Decimal:
    """What a wallet has beyond its holds; its row stays locked until the end."""
    found = await conn.execute(
        select(ledger_accounts.c.posted - ledger_accounts.c.held)
        .where(ledger_accounts.c.id == wallet)
        .with_for_update()
    )
    return Decimal(found.scalar_one())


async def raise_hold(
    conn: AsyncConnection, hold_id: str, task_id: str, wallet: str, by: Decimal
) -> None:
    """Set `by` more aside for a hold, in its budget and in its wallet."""
    await conn.execute(update(holds).where(holds.c.id == hold_id).values(held=holds.c.held + by))
    nothing = Decimal(0)
    await conn.execute(_SETTLE_BUDGET, {"task": task_id, "freed": -by, "spent": nothing})
    await conn.execute(_SETTLE_WALLET, {"wallet": wallet, "freed": -by, "spent": nothing})


async def lock_holds(conn: AsyncConnection, ids: Sequence[str]) -> dict[str, Found]:
    """Holds by their ids, locked until the end of the transaction; unknown ones are left out."""
    query = select(holds).where(holds.c.id.in_(sorted(ids))).order_by(holds.c.id)
    return {row.id: row for row in await conn.execute(query.with_for_update())}


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of an open hold: what it freed, and what of that was spent.

    Attributes:
        captured: BazaarBucks for the agent's work.
        external: BazaarBucks for what it bought.
        refused: BazaarBucks that were billed beyond the hold.
        fee: what the platform keeps of `captured`.
    """

    hold: Found
    captured: Decimal = Decimal(0)
    external: Decimal = Decimal(0)
    refused: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)


async def capture_holds(conn: AsyncConnection, settlements: Sequence[Settlement]) -> None:
    """Turn open holds, which are locked, into captured ones."""
    await conn.execute(
        _CAPTURE_HOLD,
        [
            {
                "hold": s.hold.id,
                "captured": s.captured,
                "external": s.external,
                "refused": s.refused,
                "fee": s.fee,
            }
            for s in settlements
        ],
    )


async def settle(conn: AsyncConnection, settlements: Sequence[Settlement]) -> None:
    """End holds in their budgets and wallets: what was held comes free, what was spent leaves."""
    tasks: dict[str, list[Decimal]] = {}
    wallets: dict[str, list[Decimal]] = {}
    for s in settlements:
        for sums, key in ((tasks, s.hold.task_id), (wallets, wallet_of(s.hold.account))):
            freed, spent = sums.get(key, [Decimal(0), Decimal(0)])
            sums[key] = [freed + s.hold.held, spent + s.captured + s.external]
    await conn.execute(
        _SETTLE_BUDGET,
        [{"task": key, "freed": f, "spent": s} for key, (f, s) in sorted(tasks.items())],
    )
    await conn.execute(
        _SETTLE_WALLET,
        [{"wallet": key, "freed": f, "spent": s} for key, (f, s) in sorted(wallets.items())],
    )


async def credit(conn: AsyncConnection, postings: Iterable[Posting]) -> None:
    """Add postings to their ledger accounts' balances, opening accounts that are new."""
    sums: dict[str, Decimal] = {}
    for line in postings:
        sums[line.ledger_account] = sums.get(line.ledger_account, Decimal(0)) + line.amount
    if sums:
        rows = [{"id": name, "posted": amount} for name, amount in sorted(sums.items())]
        await conn.execute(_CREDIT, rows)


async def resolve_released(
    conn: AsyncConnection, hold_id: str, account: str, task_id: str, agent_id: str
) -> Found | None:
    """Release an open hold; None when it was captured or released before.

    A step that failed before its hold arrived leaves a released hold of nothing, so that a hold
    that arrives late is refused.
    """
    never_held = upsert(holds).values(
        id=hold_id,
        account=account,
        task_id=task_id,
        agent_id=agent_id,
        asked=0,
        held=0,
        status="released",
        resolved_at=func.now(),
    )
    found: Found | None = (
        await conn.execute(
            never_held.on_conflict_do_update(
                index_elements=[holds.c.id],
                set_={"status": "released", "resolved_at": func.now()},
                where=holds.c.status == "held",
            ).returning(holds)
        )
    ).one_or_none()
    return found


async def post(conn: AsyncConnection, transfers: Sequence[Transfer]) -> None:
    """Append the lines of transfers to the ledger; they are never changed again."""
    lines = [(transfer, line) for transfer in transfers for line in transfer.postings]
    if lines:
        await conn.execute(
            _POST,
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


async def record(conn: AsyncConnection, table: Table, payments: list[dict[str, object]]) -> None:
    """Record payments in one of the two tables of payments."""
    if payments:
        await conn.execute(insert(table), payments)


async def task_account(conn: AsyncConnection, task_id: str, account: str) -> Found | None:
    """What a task holds and has paid."""
    query = select(budgets.c.held, budgets.c.captured).where(
        budgets.c.task_id == task_id, budgets.c.account == account
    )
    return (await conn.execute(query)).one_or_none()


async def page_of(
    conn: AsyncConnection,
    table: Table,
    account: str,
    limit: int,
    before: tuple[datetime, str] | None,
) -> Sequence[Found]:
    """An account's payments, newest first, one more than `limit` when there are more."""
    query = (
        select(table)
        .where(table.c.account == account)
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(tuple_(table.c.created_at, table.c.id) < before)
    return (await conn.execute(query)).all()
