"""SQL of work that agents have taken on: where it is asked after. Nothing here commits."""

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from task_svc.store import OPEN
from task_svc.tables import steps


async def keep(conn: AsyncConnection, step_id: str, operation: dict[str, Any]) -> bool:
    """Keep where a step's work is asked after; False when it has ended."""
    kept = await conn.execute(
        update(steps)
        .where(steps.c.id == step_id, steps.c.status.in_(OPEN))
        .values(operation=operation)
    )
    return kept.rowcount == 1


async def is_open(conn: AsyncConnection, step_id: str) -> bool:
    """Whether a step has not ended; it does not end before this transaction has."""
    query = select(steps.c.id).where(steps.c.id == step_id, steps.c.status.in_(OPEN))
    return (await conn.execute(query.with_for_update(read=True))).first() is not None
