"""SQL of what ended steps need no longer. Nothing here commits."""

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.intervals import days
from task_svc.tables import steps


async def strip_steps(conn: AsyncConnection, older_than: int, at_most: int) -> int:
    """Drop payloads and causes of steps that ended so many days ago; what they did and cost stays.

    Returns:
        How many steps those were; another replica's are left to it.
    """
    old = (
        select(steps.c.id)
        .where(
            ~steps.c.aged,
            steps.c.completed_at < func.now() - days(older_than),
        )
        .order_by(steps.c.completed_at)
        .limit(at_most)
        .with_for_update(skip_locked=True)
        .cte("old")
    )
    stripped = await conn.execute(
        update(steps).where(steps.c.id == old.c.id).values(payload={}, cause={}, aged=True)
    )
    return stripped.rowcount
