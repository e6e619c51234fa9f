"""SQL of credentials with limits. Nothing here commits.

Their rows are locked after holds, before budgets and wallets, in the order of their ids.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, case, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from payment_svc.tables import holds, spenders

Found = Row[*tuple[Any, ...]]
_NET = holds.c.captured + holds.c.external - holds.c.refunded - holds.c.external_refunded
_COUNTS = case((holds.c.status == "held", holds.c.held), else_=_NET)
_TODAY = text("date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'")


async def insert(conn: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Store a credential; one whose id is known stays as it is."""
    await conn.execute(upsert(spenders).values(**values).on_conflict_do_nothing())


async def find(conn: AsyncConnection, spender_id: str) -> Found | None:
    """A credential by its id."""
    return (await conn.execute(select(spenders).where(spenders.c.id == spender_id))).one_or_none()


async def lock(conn: AsyncConnection, ids: Iterable[str]) -> dict[str, Found]:
    """Credentials, locked until the end of the transaction; unknown ones are left out."""
    query = select(spenders).where(spenders.c.id.in_(ids)).order_by(spenders.c.id)
    return {row.id: row for row in await conn.execute(query.with_for_update())}


async def in_task(conn: AsyncConnection, spender_id: str, task_id: str) -> Decimal:
    """What a credential holds and has paid for a task."""
    return await _sum(conn, holds.c.task_id == task_id, holds.c.spender == spender_id)


async def today(conn: AsyncConnection, spender_id: str) -> Decimal:
    """What it holds and has paid of this day's holds (UTC)."""
    return await _sum(conn, holds.c.spender == spender_id, holds.c.created_at >= _TODAY)


async def _sum(conn: AsyncConnection, *which: Any) -> Decimal:
    query = select(func.coalesce(func.sum(_COUNTS), 0)).where(*which)
    return Decimal((await conn.execute(query)).scalar_one())


async def move(conn: AsyncConnection, spender_id: str, held: Decimal, captured: Decimal) -> None:
    """Add to what a credential holds and has paid; amounts may be negative."""
    await conn.execute(
        update(spenders)
        .where(spenders.c.id == spender_id)
        .values(held=spenders.c.held + held, captured=spenders.c.captured + captured)
    )


async def close(
    conn: AsyncConnection, spender_id: str, kind: str, account: str | None
) -> Found | None:
    """Revoke a credential, of one account or of any; None when there is none of that kind."""
    query = (
        update(spenders)
        .where(spenders.c.id == spender_id, spenders.c.kind == kind)
        .values(closed_at=func.coalesce(spenders.c.closed_at, func.now()))
    )
    if account is not None:
        query = query.where(spenders.c.account == account)
    closed: Found | None = (await conn.execute(query.returning(spenders))).one_or_none()
    return closed


async def close_all(conn: AsyncConnection, account: str) -> int:
    """Revoke all credentials of an account; how many."""
    query = update(spenders).where(spenders.c.account == account, spenders.c.closed_at.is_(None))
    return (await conn.execute(query.values(closed_at=func.now()))).rowcount


async def page(
    conn: AsyncConnection,
    kind: str,
    account: str | None,
    limit: int,
    before: tuple[datetime, str] | None,
) -> list[Found]:
    """Credentials of one kind, newest first, one more than `limit` if there is one."""
    query = (
        select(spenders)
        .where(spenders.c.kind == kind)
        .order_by(spenders.c.created_at.desc(), spenders.c.id.desc())
        .limit(limit + 1)
    )
    if account is not None:
        query = query.where(spenders.c.account == account)
    if before is not None:
        query = query.where(tuple_(spenders.c.created_at, spenders.c.id) < before)
    return list((await conn.execute(query)).all())
