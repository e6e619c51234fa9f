"""SQL of payment records, receipts and refunds."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, Literal

from sqlalchemy import DateTime, Integer, bindparam, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.statements import Statement, named
from payment_svc.ledger import names
from payment_svc.ledger.names import Found, called
from payment_svc.rows import Hold
from payment_svc.tables import bazaarbucks_payments, budgets, holds, spenders, stripe_payments

Rail = Literal["bazaarbucks", "stripe"]
TABLES = {"bazaarbucks": bazaarbucks_payments, "stripe": stripe_payments}
"""What was paid on each rail."""


async def holds_of(conn: AsyncConnection, account: str, task_id: str) -> Sequence[Found]:
    """The holds of a task, oldest first."""
    query = select(holds).where(holds.c.task_id == task_id, holds.c.account == account)
    return (await conn.execute(query.order_by(holds.c.created_at, holds.c.id).limit(500))).all()


async def sums_of(conn: AsyncConnection, account: str, task_id: str) -> Found:
    """What all holds of a task charged, with the fee in it, and what was given back."""
    columns = {
        "captured": holds.c.captured,
        "fee": holds.c.fee,
        "refunded": holds.c.refunded + holds.c.external_refunded,
        "external": holds.c.external,
    }
    query = select(*(func.coalesce(func.sum(c), 0).label(name) for name, c in columns.items()))
    return (
        await conn.execute(query.where(holds.c.task_id == task_id, holds.c.account == account))
    ).one()


async def find_payment(conn: AsyncConnection, payment_id: str, account: str) -> Found | None:
    """A payment in BazaarBucks of an account, by what the account calls it."""
    query = select(bazaarbucks_payments).where(called(bazaarbucks_payments, account, payment_id))
    return (await conn.execute(query)).one_or_none()


async def payment_of(conn: AsyncConnection, hold: Hold) -> Found | None:
    """The agent's payment for a captured hold; None when the work was free."""
    query = select(bazaarbucks_payments).where(
        bazaarbucks_payments.c.account == hold.account,
        # It was recorded in the transaction that resolved the hold; so the index of pages finds it.
        bazaarbucks_payments.c.created_at == hold.resolved_at,
        bazaarbucks_payments.c.step_id == hold.id,
        bazaarbucks_payments.c.type == "agent_payment",
    )
    return (await conn.execute(query)).one_or_none()


async def give_back(conn: AsyncConnection, hold: Hold, amount: Decimal, external: Decimal) -> None:
    """Count a refund on its hold, which is locked, and make room where it was spent from."""
    await conn.execute(
        update(holds)
        .where(holds.c.id == hold.id)
        .values(
            refunded=holds.c.refunded + amount,
            external_refunded=holds.c.external_refunded + external,
        )
    )
    if hold.spender is not None:
        await conn.execute(
            update(spenders)
            .where(spenders.c.id == hold.spender)
            .values(captured=spenders.c.captured - amount - external)
        )
    await conn.execute(
        update(budgets)
        .where(budgets.c.task_id == hold.task_id)
        .values(captured=budgets.c.captured - amount - external)
    )


@cache
def _record(rail: Rail, keys: frozenset[str]) -> Statement[Any]:
    return Statement(insert(TABLES[rail]), tuple, keys=keys)


async def record(conn: AsyncConnection, rail: Rail, payments: list[dict[str, object]]) -> None:
    """Record payments of one rail."""
    if payments:
        await _record(rail, frozenset(payments[0])).run_each(conn, payments)


async def record_named(
    conn: AsyncConnection, rail: Rail, instead: str, values: dict[str, Any]
) -> Found | None:
    """Record a payment under the id that its owner chose (`payment_svc.ledger.names.insert`)."""
    return await names.insert(conn, TABLES[rail], instead, values)


@cache
def _page_of(rail: Rail, *, later: bool) -> Statement[Any]:
    table = TABLES[rail]
    query = (
        select(table)
        .where(table.c.account == bindparam("owner"))
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .limit(bindparam("most", type_=Integer))
    )
    if later:
        place = tuple_(bindparam("moment", type_=DateTime(timezone=True)), bindparam("after"))
        query = query.where(tuple_(table.c.created_at, table.c.id) < place)
    return named(query)


async def page_of(
    conn: AsyncConnection,
    rail: Rail,
    account: str,
    limit: int,
    before: tuple[datetime, str] | None,
) -> Sequence[Any]:
    """An account's payments, newest first, one more than `limit` when there are more."""
    moment, after = before or (None, None)
    asked = {"owner": account, "most": limit + 1, "moment": moment, "after": after}
    return await _page_of(rail, later=before is not None).all(conn, asked)
