"""Orders that cross each other on the way: what is true for one is not true any more."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from chassis.bus.envelopes import origin
from chassis.handling.patience import Later
from contracts.orders import AddSteps, FinishTask
from contracts.payment import TaskAccount
from contracts.topology import TASK_FINISH
from task_svc import store, store_lists
from task_svc.handlers import orders
from task_svc.taking import Taking
from tests.support.services import task_service
from tests.support.stack import Stack
from tests.task.plans import spec, start, stop

NOTHING = Taking(lambda *_: None, lambda *_: None, lambda _: None)
"""Nothing is taken and nothing runs, so that steps stay as they are."""


@dataclass
class Meanwhile:
    """A payment service that answers after something else has happened."""

    happens: Any

    async def ask(self, _call: Any, request: Any, _cause: Any) -> TaskAccount:
        await self.happens()
        return TaskAccount(task_id=request.task_id, held=Decimal(0), captured=Decimal(0))


def meanwhile(happens: Any) -> Any:
    """As much of a bus as orders use."""
    return Meanwhile(happens)


async def test_a_task_does_not_end_over_steps_that_were_added_meanwhile(stack: Stack, task_id: str):
    service = task_service(stack)
    db, here = service.database, origin("chat", "test", "races")
    finish = FinishTask(task_id=task_id, outcome="completed")
    late = AddSteps(task_id=task_id, steps=[spec(f"{task_id}-2", "somebody")])

    async def add() -> None:
        async with db.transaction(here) as tx:
            await orders.on_add_steps(late, tx, here, NOTHING)

    async def nothing() -> None:
        pass

    async with db.transaction(here) as tx:
        await orders.on_start(start(task_id), tx, here, NOTHING)
    with pytest.raises(Later):
        await orders.on_finish(finish, db, meanwhile(add), TASK_FINISH, here)
    await orders.on_finish(finish, db, meanwhile(nothing), TASK_FINISH, here)
    async with db.transaction() as tx:
        task = await store.find_task(tx.conn, task_id, "races")
        (step,) = await store_lists.page_of_steps(tx.conn, task_id, 5, None)
    assert task is not None
    assert (task.status, task.open_steps, step.reason) == ("completed", 0, "cancelled")
    await db.engine.dispose()


async def test_what_a_turn_left_open_is_over_when_the_next_takes_its_task_up(
    stack: Stack, task_id: str
):
    """The order to end the first turn's task, which was cancelled, comes behind the next turn's."""
    service = task_service(stack)
    db, here = service.database, origin("chat", "test", "races")
    more = AddSteps(task_id=task_id, turn_id="next", steps=[spec(f"{task_id}-2", "somebody")])
    async with db.transaction(here) as tx:
        await orders.on_start(start(task_id, spec(f"{task_id}-1", "a")), tx, here, NOTHING)
        by_hand = {"id": f"{task_id}-0", "task_id": task_id, "account": "races", "agent_id": "a"}
        running = {"status": "in_progress", "skill": "", "subtask_type": "", "payload": {}}
        row = by_hand | running | {"max_budget": 1, "cause": {}}
        await store.insert_step(tx.conn, row)
        await store.update_task(tx.conn, task_id, open_steps=2)
    async with db.transaction(here) as tx:
        await orders.on_add_steps(more, tx, here, NOTHING)
    await orders.on_finish(stop(task_id), db, meanwhile(None), TASK_FINISH, here)
    async with db.transaction() as tx:
        task = await store.find_task(tx.conn, task_id, "races")
        found = await store_lists.page_of_steps(tx.conn, task_id, 5, None)
    assert task is not None
    assert (task.turn_id, task.status, task.open_steps) == ("next", "created", 2)
    assert {step.id.removeprefix(task_id): (step.status, step.reason) for step in found} == {
        "-0": ("in_progress", None),
        "-1": ("failed", "cancelled"),
        "-2": ("pending", None),
    }
    await db.engine.dispose()
