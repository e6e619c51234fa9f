"""What cancelling does to a task: nothing of it begins any more, and what is held comes back."""

from collections.abc import Sequence

from chassis.db.transaction import Transaction
from contracts.cancelling import TaskCancelled
from task_svc import store, store_cancelling
from task_svc.ending import Failed, end_step
from task_svc.rows import Step, Task

CANCELLED = "The task was cancelled."
OVER = "The turn that it was for is over."


async def end_open(tx: Transaction, task: Task, why: str) -> Sequence[Step]:
    """End all open steps of a task, whose row is locked; whoever works on one will notice.

    Returns:
        The steps, as they were.
    """
    steps = await store.open_steps_of(tx.conn, task.id)
    for step in steps:
        await end_step(tx, step, Failed("cancelled", why))
    return steps


async def end_former(tx: Transaction, task: Task) -> Task:
    """End what turns before left open of a task, whose row is locked, as another takes it up.

    Such a turn was given up while the order to end its task was on its way; that order comes too
    late now, and nobody waits for its steps. Steps by hand are nobody's turn, and go on.

    Returns:
        The task as it is then.
    """
    if not task.open_steps:
        return task
    for step in await store.open_steps_of(tx.conn, task.id):
        if step.turn_id is not None:
            await end_step(tx, step, Failed("cancelled", OVER))
    found = await store.find_task(tx.conn, task.id, task.account)
    return task if found is None else found


async def note_cancelled(tx: Transaction, task: Task, steps: Sequence[Step]) -> None:
    """Let a task, its row locked, be a cancelled one, and tell so once.

    One that had ended is none, unless steps of it went on all the same.
    """
    if task.cancelled_at is not None or (task.status in store.ENDED and not steps):
        return
    await store_cancelling.cancel_task(tx.conn, task.id)
    tx.publish(
        TaskCancelled(task_id=task.id, turn_id=task.turn_id, step_ids=[step.id for step in steps]),
        account=task.account,
    )
