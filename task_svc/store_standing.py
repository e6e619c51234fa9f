"""SQL of how steps and tasks stand, for those who did not hear of it. Nothing here commits."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, literal, null, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.intervals import after
from chassis.db.schema import outbox_table
from chassis.db.unheard import claim
from task_svc.rows import Task
from task_svc.store import ENDED, OPEN, Found
from task_svc.tables import metadata, steps, tasks

MOST_LEAVING = 10_000
_OUTBOX = outbox_table(metadata)
_INBOX = metadata.tables[f"{metadata.schema}.inbox"]


async def statuses_of_steps(conn: AsyncConnection, ids: Sequence[str]) -> dict[str, str]:
    """The status of each of these steps that there is."""
    found = await conn.execute(select(steps.c.id, steps.c.status).where(steps.c.id.in_(ids)))
    return {row.id: row.status for row in found}


async def statuses_of_tasks(conn: AsyncConnection, ids: Sequence[str]) -> dict[str, str]:
    """The status of each of these tasks that there is."""
    found = await conn.execute(select(tasks.c.id, tasks.c.status).where(tasks.c.id.in_(ids)))
    return {row.id: row.status for row in found}


async def ended_task(conn: AsyncConnection, task_id: str) -> Task | None:
    """A task that has ended, locked so that nobody takes it up meanwhile; None when one did."""
    query = select(tasks).where(tasks.c.id == task_id, tasks.c.status.in_(ENDED))
    found = (await conn.execute(query.with_for_update())).one_or_none()
    return Task(*found) if found else None


async def last_cause(conn: AsyncConnection, task_id: str) -> dict[str, Any] | None:
    """The envelope that the newest step of a task was ordered with; None without any."""
    query = select(steps.c.cause).where(steps.c.task_id == task_id)
    found = await conn.execute(query.order_by(steps.c.seq.desc()).limit(1))
    cause: dict[str, Any] | None = found.scalar_one_or_none()
    return cause


async def handled(conn: AsyncConnection, durable: str, ids: Sequence[str]) -> list[str]:
    """Which of these messages of a durable have had their effect."""
    query = select(_INBOX.c.message_id).where(
        _INBOX.c.consumer == durable, _INBOX.c.message_id.in_(ids)
    )
    return list((await conn.execute(query)).scalars())


async def awaited(conn: AsyncConnection, requests: Sequence[str]) -> set[str]:
    """Which of these requests have a step that is open, whose end they are answered with."""
    request = steps.c.cause["id"].as_string()
    query = select(request).where(
        steps.c.status.in_(OPEN),
        steps.c.waits_for == 0,
        steps.c.reply_to.is_not(None),
        request.in_(requests),
    )
    return set((await conn.execute(query)).scalars())


async def running(conn: AsyncConnection, agent_ids: Sequence[str]) -> tuple[dict[str, int], int]:
    """How many steps these agents have in hand, and how many rows of the outbox are leaving.

    One statement, so that both are of one moment: a step's start or end that is counted here has
    left, or is among the rows.
    """
    in_hand = (
        select(steps.c.agent_id.label("agent"), func.count().label("number"))
        .where(
            steps.c.status == "in_progress",
            steps.c.waits_for == 0,
            steps.c.agent_id.in_(agent_ids),
        )
        .group_by(steps.c.agent_id)
    )
    rows = select(literal(1)).select_from(_OUTBOX).limit(MOST_LEAVING).subquery()
    leaving = select(null().label("agent"), func.count().label("number")).select_from(rows)
    found = {row.agent: row.number for row in await conn.execute(union_all(in_hand, leaving))}
    left: int = found.pop(None)
    return found, left


async def claim_unended(conn: AsyncConnection, wait_s: float, limit: int) -> Sequence[Found]:
    """Take tasks that nobody has ended in so many seconds, and that were not taken as lately."""
    orchestrated = (tasks.c.status.in_(("created", "in_progress")), tasks.c.turn_id.is_not(None))
    query = claim(tasks, *orchestrated, by=tasks.c.created_at, wait_s=wait_s, limit=limit)
    taken = await conn.execute(
        query.returning(tasks.c.id, tasks.c.turn_id, tasks.c.account, tasks.c.open_steps)
    )
    return taken.all()


async def ask_later(conn: AsyncConnection, ids: Sequence[str], delay_s: float) -> None:
    """Leave tasks alone for so many seconds, that are being ended now."""
    await conn.execute(update(tasks).where(tasks.c.id.in_(ids)).values(ask_at=after(delay_s)))
