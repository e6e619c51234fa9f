"""Orders that cross each other on the way: what is true for one is not true any more."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from chassis.envelopes import origin
from chassis.patience import Later
from contracts.orders import AddSteps, FinishTask
from contracts.payment import TaskAccount
from contracts.topology import TASK_FINISH
from task_svc import store
from task_svc.handlers import orders
from tests.conftest import Stack
from tests.task.plans import spec, start
from tests.task.services import task_service


class Nothing:
    """A runner that runs nothing, so that steps stay as they are."""

    def wake(self, _step_ids: Any) -> None:
        pass


@dataclass
class Meanwhile:
    """A payment service that answers after something else has happened."""

    happens: Any

    async def ask(self, _call: Any, request: Any, _cause: Any) -> TaskAccount:
        await self.happens()
        return TaskAccount(task_id=request.task_id, held=Decimal(0), captured=Decimal(0))


async def test_a_task_does_not_end_over_steps_that_were_added_meanwhile(stack: Stack, task_id: str):
    service = task_service(stack)
    db, here, runner = service.database, origin("chat", "test", "races"), Nothing()
    finish = FinishTask(task_id=task_id, outcome="completed")
    late = AddSteps(task_id=task_id, steps=[spec(f"{task_id}-2", "somebody")])

    async def add() -> None:
        async with db.transaction(here) as tx:
            await orders.on_add_steps(late, tx, here, runner)  # type: ignore[arg-type]

    async def nothing() -> None:
        pass

    async with db.transaction(here) as tx:
        await orders.on_start(start(task_id), tx, here, runner)  # type: ignore[arg-type]
    with pytest.raises(Later):
        await orders.on_finish(finish, db, Meanwhile(add), TASK_FINISH, here)  # type: ignore[arg-type]
    await orders.on_finish(finish, db, Meanwhile(nothing), TASK_FINISH, here)  # type: ignore[arg-type]
    async with db.transaction() as tx:
        task = await store.find_task(tx.conn, task_id, "races")
        (step,) = await store.page_of_steps(tx.conn, task_id, 5, None)
    assert task is not None
    assert (task.status, task.open_steps, step.reason) == ("completed", 0, "cancelled")
    await db.engine.dispose()
