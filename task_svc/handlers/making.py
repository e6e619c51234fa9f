"""The making of a task by hand; many at a time, when many are asked for at once."""

from collections.abc import Sequence
from typing import NamedTuple

from chassis.bus.envelopes import new_id
from chassis.db.database import Database
from chassis.db.together import Together
from contracts.base import to_micro
from contracts.envelope import Envelope
from contracts.errors import Conflict
from contracts.task import CreateTask, TaskReply, TaskView
from contracts.task_events import TaskCreated
from task_svc import store, store_at_once
from task_svc.rows import Task
from task_svc.settings import Settings

HEAVY = 16_384
"""Characters of a task that is stored by itself: what is stored together is one row of the outbox,
all of which has to reach the streams in time.
"""


class New(NamedTuple):
    """A task that is to be made: how it is told, and why."""

    told: TaskCreated
    here: Envelope


class Taken(Exception):
    """There is a task with this id, or with that of another of its group."""


Making = Together[New, Task]


async def create_task(
    request: CreateTask, db: Database, making: Making, here: Envelope, settings: Settings
) -> TaskReply:
    """Make a task that later calls of agents belong to.

    Raises:
        Conflict: the caller chose an id that another task has.
    """
    budget = settings.default_budget if request.max_budget is None else request.max_budget
    told = TaskCreated(
        task_id=request.task_id or new_id(),
        user_query=request.user_query,
        required_skills=request.required_skills,
        max_budget=to_micro(budget),
    )
    new = New(told, here)
    weight = len(told.user_query) + sum(map(len, told.required_skills))
    try:
        row = await making.do(new) if weight < HEAVY else (await make(db, [new]))[0]
    except Taken:
        row = await _made_before(told, db, here)
    return TaskReply(task=TaskView.model_validate(row, from_attributes=True))


async def make(db: Database, group: Sequence[New]) -> list[Task]:
    """Store tasks that were just asked for, in one transaction.

    Raises:
        Taken: one is there already; none was stored.
    """
    async with db.transaction(begins=True, at_once=True) as tx:
        for new in group:
            tx.cause = new.here
            tx.touches(new.here.account)
            tx.publish(new.told)
        made = await store_at_once.make(tx, [_columns(new) for new in group])
    if made is None:
        raise Taken
    return made


def _columns(new: New) -> dict[str, object]:
    return {
        "id": new.told.task_id,
        "account": new.here.account,
        "spender": new.here.spender,
        "user_query": new.told.user_query,
        "required_skills": new.told.required_skills,
        "status": "created",
        "max_budget": new.told.max_budget,
    }


async def _made_before(told: TaskCreated, db: Database, here: Envelope) -> Task:
    async with db.transaction(reads=True) as tx:
        row = await store.find_task(tx.conn, told.task_id, here.account)
    if row is None or row.user_query != told.user_query:
        raise Conflict("This task id is taken.")
    return row
