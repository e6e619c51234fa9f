"""All SQL of the task service. Nothing here commits: the chassis does, once per message.

Rows are locked task first, then steps, so that concurrent messages wait instead of deadlocking.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    Interval,
    Row,
    String,
    any_,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.statements import Statement, named
from task_svc.rows import Step, Task
from task_svc.tables import cancelled_turns, steps, tasks

Found = Row[*tuple[Any, ...]]
OPEN = ("pending", "in_progress")
ENDED = ("completed", "failed")
"""Where steps, and tasks too, come to their end."""

# What bills show: a step's payload, its result and its cause may weigh a megabyte.
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
        .values(lease_until=func.now() + bindparam("lease", type_=Interval), attempts=1)
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


def _pair(id_: str, of: Any) -> tuple[str, Any]:
    return id_, of


@cache
def _insert_step(keys: frozenset[str], *, ended: bool) -> Statement[str]:
    query = upsert(steps).on_conflict_do_nothing().returning(steps.c.id)
    query = query.values(completed_at=func.now()) if ended else query
    return Statement(query, str, keys=keys)


_BEGIN_STEP = Statement(
    update(steps)
    .where(steps.c.id == bindparam("step"), steps.c.status == "pending")
    .values(status="in_progress"),
    tuple,
    keys=["quote", "quoted", "max_price"],
)
_FREE_DEPENDENTS = Statement(
    update(steps)
    .where(
        steps.c.task_id == bindparam("task"),
        steps.c.status == "pending",
        bindparam("step", type_=String) == any_(steps.c.depends_on),
    )
    .values(waits_for=steps.c.waits_for - 1)
    .returning(steps),
    Step,
)
_RESULTS_OF: Statement[tuple[str, str]] = Statement(
    select(steps.c.id, steps.c.result).where(
        steps.c.task_id == bindparam("task"),
        steps.c.id == any_(bindparam("steps", type_=ARRAY(String))),
        steps.c.status == "completed",
    ),
    _pair,
)
_OPEN_STEPS_OF = Statement(
    select(steps)
    .where(steps.c.task_id == bindparam("task"), or_(*(steps.c.status == one for one in OPEN)))
    .order_by(steps.c.seq)
    .with_for_update(),
    Step,
)
_BILL_OF = named(
    select(*_BILLED).where(steps.c.task_id == bindparam("task")).order_by(steps.c.seq).limit(500)
)


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


async def insert_step(
    conn: AsyncConnection, row: Mapping[str, object], *, ended: bool = False
) -> bool:
    """Store a step, one that has `ended` now or is to be run; False when its id is known already.

    One at a time: a plan has few, and a statement for each that is compiled already costs less than
    one for all that has to be.
    """
    return await _insert_step(frozenset(row), ended=ended).one_or_none(conn, row) is not None


async def insert_leased_step(
    conn: AsyncConnection, lease_s: float, **values: object
) -> Step | None:
    """Store a step that its `lease_owner` runs at once; None when its id is known already."""
    stored = {"status": "in_progress", **values}
    query = _insert_leased_step(frozenset(stored))
    return await query.one_or_none(conn, {**stored, "lease": timedelta(seconds=lease_s)})


async def begin_step(
    conn: AsyncConnection,
    step_id: str,
    *,
    quote: dict[str, Any],
    quoted: Decimal | None,
    max_price: Decimal | None,
) -> bool:
    """Move a pending step to in_progress; False when it is not pending any more."""
    values = {"step": step_id, "quote": quote, "quoted": quoted, "max_price": max_price}
    return await _BEGIN_STEP.run(conn, values) == 1


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


async def free_dependents(conn: AsyncConnection, task_id: str, step_id: str) -> list[Step]:
    """Tell the steps that waited for `step_id`; returns those that are ready now."""
    told = await _FREE_DEPENDENTS.all(conn, {"task": task_id, "step": step_id})
    return [step for step in told if step.waits_for == 0]


async def results_of(conn: AsyncConnection, task_id: str, ids: Sequence[str]) -> dict[str, str]:
    """Results of a task's completed steps, by id."""
    return dict(await _RESULTS_OF.all(conn, {"task": task_id, "steps": list(ids)}))


async def failed_of(conn: AsyncConnection, task_id: str, ids: Sequence[str]) -> set[str]:
    """Those of a task's steps that have failed."""
    query = select(steps.c.id).where(
        steps.c.task_id == task_id, steps.c.id.in_(ids), steps.c.status == "failed"
    )
    return set((await conn.execute(query)).scalars())


async def open_steps_of(conn: AsyncConnection, task_id: str) -> list[Step]:
    """A task's steps that have not ended, locked."""
    return await _OPEN_STEPS_OF.all(conn, {"task": task_id})


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


async def bill_of(conn: AsyncConnection, task_id: str) -> Sequence[Any]:
    """What each step of a task cost, oldest first."""
    return await _BILL_OF.all(conn, {"task": task_id})
