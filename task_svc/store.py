"""All SQL of the task service. Nothing here commits: the chassis does, once per message.

Rows are locked task first, then steps, so that concurrent messages wait instead of deadlocking.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import (
    DateTime,
    Integer,
    Interval,
    Row,
    and_,
    any_,
    bindparam,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.pages import loadable
from chassis.db.statements import Statement, named
from contracts.task import StepView, TaskView
from task_svc.rows import Step, Task
from task_svc.tables import cancelled_turns, steps, tasks

Found = Row[*tuple[Any, ...]]
OPEN = ("pending", "in_progress")
ENDED = ("completed", "failed")
"""Where steps, and tasks too, come to their end."""

# What lists and bills show. A step's payload, its result and its cause may weigh a megabyte, and
# five hundred are read at once.
_SHOWN_TASK = [tasks.c[name] for name in TaskView.model_fields]
_SHOWN_STEP = [steps.c.seq, *(steps.c[name] for name in StepView.model_fields)]
_BILLED = [
    steps.c[name] for name in ("id", "agent_id", "status", "cost", "external_cost", "turn_id")
] + [steps.c.quote["agentName"].as_string().label("agent_name")]


# A turn may have been cancelled before its order to begin came (`store_cancelling`).
_CANCELLED_BEFORE = exists().where(cancelled_turns.c.turn_id == literal_column("tasks.turn_id"))
_FIND = select(tasks).where(tasks.c.id == bindparam("task"), tasks.c.account == bindparam("owner"))
_FIND_TASK = Statement(_FIND, Task)
_LOCK_TASK = Statement(_FIND.with_for_update(), Task)


@cache
def _insert_task(keys: frozenset[str]) -> Statement[Task]:
    query = upsert(tasks).on_conflict_do_nothing()
    return Statement(query.returning(tasks, _CANCELLED_BEFORE), Task, keys=keys)


@cache
def _update_task(keys: frozenset[str], ends: bool) -> Statement[Any]:
    query = update(tasks).where(tasks.c.id == bindparam("task"))
    return Statement(query.values(completed_at=func.now()) if ends else query, tuple, keys=keys)


@cache
def _insert_leased_step(keys: frozenset[str]) -> Statement[Step]:
    query = (
        upsert(steps)
        .values(
            lease_until=func.now() + bindparam("lease", type_=Interval),
            status="in_progress",
            attempts=1,
        )
        .on_conflict_do_nothing()
    )
    return Statement(query.returning(steps), Step, keys=keys)


@cache
def _end_step(keys: frozenset[str]) -> Statement[bool]:
    query = (
        update(steps)
        .where(steps.c.id == bindparam("step"), or_(*(steps.c.status == one for one in OPEN)))
        .values(completed_at=func.now(), lease_owner=None, lease_until=None)
    )
    return Statement(query.returning(steps.c.quote.is_not(None)), bool, keys=keys)


async def insert_task(conn: AsyncConnection, **values: object) -> Task | None:
    """Store a task; None when its id is known already.

    `cancelled_before` says whether its turn is to begin nothing.
    """
    return await _insert_task(frozenset(values)).one_or_none(conn, values)


async def find_task(
    conn: AsyncConnection, task_id: str, account: str, *, lock: bool = False
) -> Task | None:
    """A task of an account, its row locked until the end of the transaction when asked."""
    query = _LOCK_TASK if lock else _FIND_TASK
    return await query.one_or_none(conn, {"task": task_id, "owner": account})


async def update_task(conn: AsyncConnection, task_id: str, **values: object) -> None:
    """Change a task whose row is locked; an end gets its time."""
    ends = values.get("status") in ENDED
    await _update_task(frozenset(values), ends).run(conn, {"task": task_id, **values})


def is_over_budget(error: IntegrityError) -> bool:
    """Whether a change was refused because a task would cost more than its budget."""
    return "within_budget" in str(error.orig)


@cache
def _page_of_tasks(*, later: bool) -> Statement[Any]:
    query = (
        select(*_SHOWN_TASK)
        .where(tasks.c.account == bindparam("owner"))
        .order_by(tasks.c.created_at.desc(), tasks.c.id.desc())
        .limit(bindparam("most", type_=Integer))
    )
    if later:
        place = tuple_(bindparam("moment", type_=DateTime(timezone=True)), bindparam("after"))
        query = query.where(tuple_(tasks.c.created_at, tasks.c.id) < place)
    return named(loadable(query, ("created_at", "id"), "user_query"))


async def page_of_tasks(
    conn: AsyncConnection, account: str, limit: int, before: tuple[datetime, str] | None
) -> Sequence[Any]:
    """An account's tasks, newest first: more than can be shown when there are more."""
    moment, after = before or (None, None)
    asked = {"owner": account, "most": limit + 1, "moment": moment, "after": after}
    return await _page_of_tasks(later=before is not None).all(conn, asked)


@cache
def _page_of_steps(*, later: bool) -> Statement[Any]:
    query = (
        select(*_SHOWN_STEP)
        .where(steps.c.task_id == bindparam("task"))
        .order_by(steps.c.seq.desc())
        .limit(bindparam("most", type_=Integer))
    )
    if later:
        query = query.where(steps.c.seq < bindparam("before"))
    return named(loadable(query, ("seq",), "result"))


async def page_of_steps(
    conn: AsyncConnection, task_id: str, limit: int, before: int | None
) -> Sequence[Any]:
    """A task's newest steps, newest first: more than can be shown when there are more."""
    asked = {"task": task_id, "most": limit + 1, "before": before}
    return await _page_of_steps(later=before is not None).all(conn, asked)


async def insert_steps(conn: AsyncConnection, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Store steps in order; returns the ids of those that were not known already."""
    if not rows:
        return []
    stored = await conn.execute(
        upsert(steps).values(list(rows)).on_conflict_do_nothing().returning(steps.c.id)
    )
    return list(stored.scalars())


async def insert_leased_step(
    conn: AsyncConnection, owner: str, lease_s: float, **values: object
) -> Step | None:
    """Store a step that this replica runs at once; None when its id is known already."""
    values["lease_owner"] = owner
    query = _insert_leased_step(frozenset(values))
    return await query.one_or_none(conn, {**values, "lease": timedelta(seconds=lease_s)})


async def begin_step(conn: AsyncConnection, step_id: str, **values: object) -> bool:
    """Move a pending step to in_progress; False when it is not pending any more."""
    done = await conn.execute(
        update(steps)
        .where(steps.c.id == step_id, steps.c.status == "pending")
        .values(status="in_progress", **values)
    )
    return done.rowcount == 1


async def find_step(conn: AsyncConnection, step_id: str) -> Step:
    """A step that is known to exist."""
    return Step(*(await conn.execute(select(steps).where(steps.c.id == step_id))).one())


async def step_of(conn: AsyncConnection, step_id: str, account: str) -> Step | None:
    """A step of an account, by its id."""
    query = select(steps).where(steps.c.id == step_id, steps.c.account == account)
    found = (await conn.execute(query)).one_or_none()
    return Step(*found) if found else None


async def last_try(conn: AsyncConnection, first: Step) -> Step:
    """The newest of the steps that a caller's one call came to: the first, or a try after it."""
    query = (
        select(steps)
        .where(
            steps.c.task_id == first.task_id,
            steps.c.id.regexp_match(f"^{first.id}(-[0-9]+)?$"),
        )
        .order_by(steps.c.seq.desc())
        .limit(1)
    )
    return Step(*(await conn.execute(query)).one())


async def end_step(conn: AsyncConnection, step_id: str, **values: object) -> bool | None:
    """Move an open step to its end.

    Returns:
        Whether the step had been started; None when somebody ended it before.
    """
    return await _end_step(frozenset(values)).one_or_none(conn, {"step": step_id, **values})


async def free_dependents(conn: AsyncConnection, task_id: str, step_id: str) -> list[str]:
    """Tell the steps that waited for `step_id`; returns the ids of those that are ready now."""
    told = await conn.execute(
        update(steps)
        .where(
            steps.c.task_id == task_id,
            steps.c.status == "pending",
            literal(step_id) == any_(steps.c.depends_on),
        )
        .values(waits_for=steps.c.waits_for - 1)
        .returning(steps.c.id, steps.c.waits_for)
    )
    return [row.id for row in told if row.waits_for == 0]


async def results_of(conn: AsyncConnection, task_id: str, ids: Sequence[str]) -> dict[str, str]:
    """Results of a task's completed steps, by id."""
    query = select(steps.c.id, steps.c.result).where(
        steps.c.task_id == task_id, steps.c.id.in_(ids), steps.c.status == "completed"
    )
    return {row.id: row.result for row in await conn.execute(query)}


async def failed_of(conn: AsyncConnection, task_id: str, ids: Sequence[str]) -> set[str]:
    """Those of a task's steps that have failed."""
    query = select(steps.c.id).where(
        steps.c.task_id == task_id, steps.c.id.in_(ids), steps.c.status == "failed"
    )
    return set((await conn.execute(query)).scalars())


async def open_steps_of(conn: AsyncConnection, task_id: str) -> list[Step]:
    """A task's steps that have not ended, locked."""
    query = (
        select(steps)
        .where(and_(steps.c.task_id == task_id, steps.c.status.in_(OPEN)))
        .order_by(steps.c.seq)
        .with_for_update()
    )
    return [Step(*row) for row in await conn.execute(query)]


async def lower_cost(
    conn: AsyncConnection, task_id: str, step_id: str, by: Decimal, external: Decimal
) -> bool:
    """Take a refund off what a step and its purchase cost; False when the task has no such step."""
    done = await conn.execute(
        update(steps)
        .where(steps.c.id == step_id, steps.c.task_id == task_id)
        .values(cost=steps.c.cost - by, external_cost=steps.c.external_cost - external)
    )
    return done.rowcount == 1


async def repoint(
    conn: AsyncConnection, step_id: str, depends_on: list[str], payload: dict[str, Any]
) -> None:
    """Make a waiting step wait for another one than before."""
    await conn.execute(
        update(steps)
        .where(steps.c.id == step_id, steps.c.status == "pending")
        .values(depends_on=depends_on, payload=payload)
    )


async def bill_of(conn: AsyncConnection, task_id: str) -> Sequence[Found]:
    """What each step of a task cost, oldest first."""
    query = select(*_BILLED).where(steps.c.task_id == task_id).order_by(steps.c.seq).limit(500)
    return (await conn.execute(query)).all()
