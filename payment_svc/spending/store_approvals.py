"""SQL of steps that wait for a person. Nothing here commits."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.intervals import days
from payment_svc.spending.store import Found
from payment_svc.tables import approvals


async def open_(conn: AsyncConnection, values: Mapping[str, Any]) -> Found | None:
    """Store one that waits; None when its step has one already."""
    query = upsert(approvals).values(**values).on_conflict_do_nothing().returning(approvals)
    stored: Found | None = (await conn.execute(query)).one_or_none()
    return stored


async def lock(conn: AsyncConnection, step_id: str) -> Found | None:
    """That of a step, locked until the end of the transaction."""
    query = select(approvals).where(approvals.c.step_id == step_id).with_for_update()
    return (await conn.execute(query)).one_or_none()


async def approved(conn: AsyncConnection, step_id: str, spender: str) -> Decimal | None:
    """The BazaarBucks that were approved for a step of a credential; None when none were."""
    query = select(approvals.c.amount).where(
        approvals.c.step_id == step_id,
        approvals.c.spender == spender,
        approvals.c.state == "approved",
    )
    return (await conn.execute(query)).scalar_one_or_none()


async def ask_again(
    conn: AsyncConnection, step_id: str, amount: Decimal, expires_at: datetime
) -> None:
    """Let one wait that is for more than before; its row is locked."""
    await conn.execute(
        update(approvals)
        .where(approvals.c.step_id == step_id)
        .values(amount=amount, state="waiting", expires_at=expires_at, decided_at=None)
    )


async def settle(conn: AsyncConnection, step_id: str, state: str) -> Found | None:
    """End the waiting of a step; None when it does not wait."""
    query = (
        update(approvals)
        .where(approvals.c.step_id == step_id, approvals.c.state == "waiting")
        .values(state=state, decided_at=func.now())
    )
    settled: Found | None = (await conn.execute(query.returning(approvals))).one_or_none()
    return settled


async def page(
    conn: AsyncConnection, account: str, limit: int, before: tuple[datetime, str] | None
) -> list[Found]:
    """Those of an account, newest first, one more than `limit` if there is one."""
    query = (
        select(approvals, approvals.c.step_id.label("id"))
        .where(approvals.c.account == account)
        .order_by(approvals.c.created_at.desc(), approvals.c.step_id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(tuple_(approvals.c.created_at, approvals.c.step_id) < before)
    return list((await conn.execute(query)).all())


async def forget(conn: AsyncConnection, older_than_days: int, at_most: int) -> int:
    """Drop those that were asked for and could be decided so long ago; how many went."""
    then = func.now() - days(older_than_days)
    old = (
        select(approvals.c.step_id)
        .where(approvals.c.created_at < then, approvals.c.expires_at < then)
        .order_by(approvals.c.created_at)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    )
    return (await conn.execute(delete(approvals).where(approvals.c.step_id.in_(old)))).rowcount
