"""SQL of cancelling: tasks that were, turns that were before their task began, steps that ended."""

from collections.abc import Sequence

from sqlalchemy import ARRAY, String, any_, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.statements import Statement
from task_svc.store import OPEN
from task_svc.tables import cancelled_turns, steps, tasks

_ENDED_OF = Statement(
    select(steps.c.id).where(
        steps.c.id == any_(bindparam("steps", type_=ARRAY(String))),
        *(steps.c.status != one for one in OPEN),
    ),
    str,
)


async def cancel_task(conn: AsyncConnection, task_id: str) -> None:
    """Note that a task, whose row is locked, was cancelled."""
    await conn.execute(update(tasks).where(tasks.c.id == task_id).values(cancelled_at=func.now()))


async def remember_turn(conn: AsyncConnection, turn_id: str) -> None:
    """Note that a turn was cancelled whose order to begin has not come yet."""
    await conn.execute(upsert(cancelled_turns).values(turn_id=turn_id).on_conflict_do_nothing())


async def is_cancelled(conn: AsyncConnection, turn_id: str | None) -> bool:
    """Whether a turn was cancelled before its order to begin came."""
    query = select(cancelled_turns).where(cancelled_turns.c.turn_id == turn_id)
    return (await conn.execute(query)).first() is not None


async def forget_turn(conn: AsyncConnection, turn_id: str | None) -> None:
    """A turn that has ended begins nothing any more."""
    await conn.execute(delete(cancelled_turns).where(cancelled_turns.c.turn_id == turn_id))


async def ended_of(conn: AsyncConnection, ids: Sequence[str]) -> list[str]:
    """Those of some steps that have ended."""
    return await _ENDED_OF.all(conn, {"steps": list(ids)})
