"""The second half of the store: SQL of wallets, statements, receipts, refunds and the check."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from payment_svc.domain import Posting
from payment_svc.tables import bazaarbucks_payments, budgets, entries, holds, ledger_accounts

Found = Row[*tuple[Any, ...]]


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
    if before is not None:
        query = query.where(entries.c.id < before)
    return (await conn.execute(query.order_by(entries.c.id.desc()).limit(limit + 1))).all()


async def holds_of(conn: AsyncConnection, account: str, task_id: str) -> Sequence[Found]:
    """The holds of a task, oldest first."""
    query = select(holds).where(holds.c.task_id == task_id, holds.c.account == account)
    return (await conn.execute(query.order_by(holds.c.created_at, holds.c.id).limit(500))).all()


async def sums_of(conn: AsyncConnection, account: str, task_id: str) -> Found:
    """What all holds of a task charged, with the fee in it, and what was given back."""
    columns = (holds.c.captured, holds.c.fee, holds.c.refunded, holds.c.external)
    query = select(*(func.coalesce(func.sum(c), 0).label(c.name) for c in columns))
    return (
        await conn.execute(query.where(holds.c.task_id == task_id, holds.c.account == account))
    ).one()


async def find_payment(conn: AsyncConnection, payment_id: str, account: str) -> Found | None:
    """A payment in BazaarBucks of an account."""
    query = select(bazaarbucks_payments).where(
        bazaarbucks_payments.c.id == payment_id, bazaarbucks_payments.c.account == account
    )
    return (await conn.execute(query)).one_or_none()


async def payment_of(conn: AsyncConnection, hold: Found) -> Found | None:
    """The agent's payment for a captured hold; None when the work was free."""
    query = select(bazaarbucks_payments).where(
        bazaarbucks_payments.c.account == hold.account,
        # It was recorded in the transaction that resolved the hold; so the index of pages finds it.
        bazaarbucks_payments.c.created_at == hold.resolved_at,
        bazaarbucks_payments.c.step_id == hold.id,
        bazaarbucks_payments.c.type == "agent_payment",
    )
    return (await conn.execute(query)).one_or_none()


async def record_once(conn: AsyncConnection, payments: Sequence[dict[str, object]]) -> bool:
    """Record payments with ids that a caller chose; False when one is taken, by any account."""
    stored = await conn.execute(
        upsert(bazaarbucks_payments).values(list(payments)).on_conflict_do_nothing()
    )
    return stored.rowcount == len(payments)


async def give_back(conn: AsyncConnection, hold: Found, amount: Decimal) -> None:
    """Count a refund on its hold, which is locked, and make room in its task's budget."""
    await conn.execute(
        update(holds).where(holds.c.id == hold.id).values(refunded=holds.c.refunded + amount)
    )
    await conn.execute(
        update(budgets)
        .where(budgets.c.task_id == hold.task_id)
        .values(captured=budgets.c.captured - amount)
    )


_MOVE = (
    update(ledger_accounts)
    .where(ledger_accounts.c.id == bindparam("name"))
    .values(posted=ledger_accounts.c.posted + bindparam("amount"))
)


async def move(conn: AsyncConnection, postings: Sequence[Posting]) -> None:
    """Add postings to the balances of ledger accounts that exist: wallets first, as everywhere."""
    ordered = sorted(
        postings, key=lambda p: (not p.ledger_account.startswith("wallet:"), p.ledger_account)
    )
    await conn.execute(_MOVE, [{"name": p.ledger_account, "amount": p.amount} for p in ordered])


RULES: dict[str, str] = {
    "every transfer adds up to zero": """
        SELECT transfer_id FROM payment.entries GROUP BY transfer_id HAVING sum(amount) <> 0""",
    "the ledger adds up to zero": """
        SELECT 1 FROM payment.entries HAVING sum(amount) <> 0""",
    "each balance is the sum of its lines": """
        SELECT id FROM payment.ledger_accounts a
        FULL JOIN (SELECT ledger_account AS id, sum(amount) AS posted
                   FROM payment.entries GROUP BY 1) e USING (id)
        WHERE coalesce(a.posted, 0) <> coalesce(e.posted, 0)""",
    "each line of a wallet is its owner's": """
        SELECT id FROM payment.entries
        WHERE ledger_account LIKE 'wallet:%' AND ledger_account <> 'wallet:' || account""",
    "nothing available is negative": """
        SELECT id FROM payment.ledger_accounts WHERE id <> 'world' AND posted - held < 0""",
    "what wallets hold is what open holds hold": """
        SELECT id FROM payment.ledger_accounts a
        FULL JOIN (SELECT 'wallet:' || account AS id, sum(held) AS held
                   FROM payment.holds WHERE status = 'held' GROUP BY 1) h USING (id)
        WHERE coalesce(a.held, 0) <> coalesce(h.held, 0)""",
    "each hold is captured at most once": """
        SELECT step_id FROM payment.entries WHERE kind = 'capture'
        GROUP BY step_id HAVING count(DISTINCT transfer_id) > 1""",
    "a hold is captured or released, never both": """
        SELECT h.id FROM payment.holds h
        WHERE h.status <> 'captured' AND (h.captured > 0 OR EXISTS (
          SELECT FROM payment.entries e WHERE e.step_id = h.id AND e.kind = 'capture'))""",
    "captured is at most held": """
        SELECT id FROM payment.holds WHERE captured + external > held""",
    "what was captured left the wallet": """
        SELECT h.id FROM payment.holds h
        FULL JOIN (SELECT step_id, -sum(amount) AS paid FROM payment.entries
                   WHERE kind = 'capture' AND ledger_account LIKE 'wallet:%'
                   GROUP BY 1) e ON e.step_id = h.id
        WHERE coalesce(h.captured + h.external, 0) <> coalesce(e.paid, 0)""",
    "what the platform kept is its fees less what it gave back": """
        SELECT h.id FROM payment.holds h
        FULL JOIN (SELECT step_id,
                          coalesce(sum(amount) FILTER (WHERE kind = 'capture'), 0) AS kept,
                          -coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0) AS returned
                   FROM payment.entries WHERE ledger_account = 'platform_fees'
                   GROUP BY 1) e ON e.step_id = h.id
        WHERE coalesce(h.fee, 0) <> coalesce(e.kept, 0) OR e.returned NOT BETWEEN 0 AND e.kept
           OR coalesce(e.returned, 0) * 1000000
              <> div(h.fee * h.refunded * 1000000, nullif(h.captured, 0))""",
    "what was refunded came back": """
        SELECT h.id FROM payment.holds h
        FULL JOIN (SELECT step_id, sum(amount) AS paid FROM payment.entries
                   WHERE kind = 'refund' AND ledger_account LIKE 'wallet:%'
                   GROUP BY 1) e ON e.step_id = h.id
        WHERE coalesce(h.refunded, 0) <> coalesce(e.paid, 0)""",
    "a task's cost is its captures less its refunds": """
        SELECT task_id FROM payment.budgets b
        FULL JOIN (SELECT task_id, sum(captured + external - refunded) AS paid,
                          sum(held) FILTER (WHERE status = 'held') AS held
                   FROM payment.holds GROUP BY 1) h USING (task_id)
        WHERE coalesce(b.captured, 0) <> coalesce(h.paid, 0)
           OR coalesce(b.held, 0) <> coalesce(h.held, 0)""",
    "no task is over its budget": """
        SELECT task_id FROM payment.budgets WHERE held + captured > max_budget""",
    "payment records are what was captured": """
        SELECT h.id FROM payment.holds h
        FULL JOIN (SELECT step_id, sum(amount) AS paid,
                          coalesce(sum(amount) FILTER (WHERE type = 'platform_fee'), 0) AS fee
                   FROM payment.bazaarbucks_payments
                   WHERE type <> 'refund' GROUP BY 1) p ON p.step_id = h.id
        WHERE coalesce(h.captured, 0) <> coalesce(p.paid, 0)
           OR coalesce(h.fee, 0) <> coalesce(p.fee, 0)""",
    "refund records are what was refunded": """
        SELECT h.id FROM payment.holds h
        FULL JOIN (SELECT step_id, sum(amount) AS paid FROM payment.bazaarbucks_payments
                   WHERE type = 'refund' GROUP BY 1) p ON p.step_id = h.id
        WHERE coalesce(h.refunded, 0) <> coalesce(p.paid, 0)""",
    "card records are what agents bought": """
        SELECT h.id FROM payment.holds h
        FULL JOIN (SELECT step_id, sum(amount) AS paid FROM payment.stripe_payments
                   WHERE type = 'card_spend' GROUP BY 1) p ON p.step_id = h.id
        WHERE coalesce(h.external, 0) <> coalesce(p.paid, 0)""",
}
"""The rules of the books, each with a query that finds what breaks it."""


async def broken_rules(conn: AsyncConnection) -> dict[str, int]:
    """How many rows break each rule, as of one moment."""
    counts = ", ".join(
        f"(SELECT count(*) FROM ({query}) AS broken) AS r{number}"  # noqa: S608  (our own rules)
        for number, query in enumerate(RULES.values())
    )
    row = (await conn.execute(text(f"SELECT {counts}"))).one()
    return dict(zip(RULES, row, strict=True))
