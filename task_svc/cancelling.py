"""What cancelling does to a task: nothing of it begins any more, and what is held comes back."""

from collections.abc import Sequence

from chassis.database import Transaction
from contracts.cancelling import TaskCancelled
from task_svc import store, store_cancelling
from task_svc.ending import Failed, end_step
from task_svc.rows import Step, Task

CANCELLED = "The task was cancelled."


async def end_open(tx: Transaction, task: Task, why: str) -> Sequence[Step]:
    """End all open steps of a task, whose row is locked; whoever works on one will notice.

    Returns:
        The steps, as they were.
    """
    steps = await store.open_steps_of(tx.conn, task.id)
    for step in steps:
        await end_step(tx, step, Failed("cancelled", why))
    return steps


async def note_cancelled(tx: Transaction, task: Task, steps: Sequence[Step]) -> None:
    """Let a task that has not ended, its row locked, be a cancelled one, and tell so once."""
    if task.cancelled_at is not None or task.status in ("completed", "failed"):
        return
    await store_cancelling.cancel_task(tx.conn, task.id)
    tx.publish(
        TaskCancelled(task_id=task.id, turn_id=task.turn_id, step_ids=[step.id for step in steps]),
        account=task.account,
    )
