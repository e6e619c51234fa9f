"""Orders that nobody could carry out: whoever waits for their task is told that it has ended."""

from decimal import Decimal
from typing import Any

from chassis.db.database import Database
from chassis.db.transaction import Transaction
from chassis.handling.dead_letters import Buried
from contracts.task_events import TaskFailed
from task_svc import store
from task_svc.cancelling import end_open
from task_svc.ending import bill_line, tell_task
from task_svc.rows import Task

GIVEN_UP = "Something went wrong on our side; what was not done by then was given up."


async def on_given_up(db: Database, order: Buried) -> None:
    """End the task that a dead order was for, as failed; what is paid stays paid.

    Nothing is read but the envelope and the subject: the order itself may be what nobody can read.
    """
    task_id, here = order.subject.rpartition(".")[2], order.here
    async with db.transaction(here) as tx:
        task = await store.find_task(tx.conn, task_id, here.account, lock=True)
        if task is None:
            tx.publish(_failed(task_id, here.turn_id, Decimal(0)))
            return
        changes: dict[str, Any] = {"status": "failed"}
        if here.turn_id not in (None, task.turn_id):
            if here.turn_id in task.former_turns:
                return
            changes["turn_id"] = here.turn_id
            changes["former_turns"] = [*task.former_turns, *filter(None, [task.turn_id])]
        elif task.status in store.ENDED:
            return
        await _end(tx, task, changes)


async def _end(tx: Transaction, task: Task, changes: dict[str, Any]) -> None:
    await end_open(tx, task, GIVEN_UP)
    await store.update_task(tx.conn, task.id, **changes)
    bill = [bill_line(step) for step in await store.bill_of(tx.conn, task.id)]
    turn_id = changes.get("turn_id", task.turn_id)
    failed = _failed(task.id, turn_id, task.total_cost).model_copy(update={"bill": bill})
    tell_task(tx, task, failed)


def _failed(task_id: str, turn_id: str | None, total_cost: Decimal) -> TaskFailed:
    return TaskFailed(task_id=task_id, turn_id=turn_id, total_cost=total_cost, note=GIVEN_UP)
