"""SQL of what the task service measures; counted no further than `MOST`."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from task_svc.tables import steps

MOST = 10_000
_READY = (
    select(steps.c.status)
    .where(steps.c.status.in_(("pending", "in_progress")), steps.c.waits_for == 0)
    .order_by(steps.c.next_attempt_at)
    .limit(MOST)
    .subquery()
)
_STEPS = select(_READY.c.status, func.count().label("steps")).group_by(_READY.c.status)


async def open_steps(conn: AsyncConnection) -> dict[str, int]:
    """How many steps wait for nobody and are not at their end, by status."""
    return {row.status: row.steps for row in await conn.execute(_STEPS)}
