"""SQL of open holds whose steps are asked after. Nothing here commits."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from payment_svc.tables import holds


async def claim_open(conn: AsyncConnection, wait_s: float, limit: int) -> list[str]:
    """Take holds that have been open for long; each goes to one replica.

    Args:
        conn: in a transaction, which is short: a capture waits for it.
        wait_s: seconds that a hold is left alone, after it was placed and between two times.
        limit: how many at most.
    """
    due = (
        select(holds.c.id)
        .where(
            holds.c.status == "held",
            holds.c.created_at < func.now() - _seconds(wait_s),
            or_(holds.c.ask_at.is_(None), holds.c.ask_at <= func.now()),
        )
        .order_by(holds.c.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    taken = await conn.execute(
        update(holds)
        .where(holds.c.id == due.c.id)
        .values(ask_at=func.now() + _seconds(wait_s))
        .returning(holds.c.id)
    )
    return list(taken.scalars())


async def note_running(conn: AsyncConnection, ids: Sequence[str]) -> None:
    """Keep that the steps of these holds go on."""
    await conn.execute(
        update(holds)
        .where(holds.c.id.in_(ids), holds.c.status == "held", holds.c.running.is_(False))
        .values(running=True)
    )


async def note_ended(conn: AsyncConnection, ids: Sequence[str], delay_s: float) -> None:
    """Keep that they do not go on, and leave the holds alone for so many seconds."""
    await conn.execute(
        update(holds)
        .where(holds.c.id.in_(ids), holds.c.status == "held")
        .values(running=False, ask_at=func.now() + _seconds(delay_s))
    )


def _seconds(seconds: float) -> Any:
    return func.make_interval(0, 0, 0, 0, 0, 0, seconds)
