"""POST /api/tasks/{id}/cancel, for tasks made by hand; a turn's own end cancels its task."""

from collections.abc import Sequence

from chassis.bus.calls import Bus
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from contracts.cancelling import CancelReply, CancelTask
from contracts.envelope import Envelope
from contracts.errors import NotFound
from contracts.task import TaskView
from task_svc import store
from task_svc.cancelling import CANCELLED, end_open, note_cancelled
from task_svc.ending import Failed, answer_to, ended
from task_svc.rows import Step, Task


async def cancel_task(
    request: CancelTask,
    db: Database,
    bus: Bus,
    here: Envelope,
) -> CancelReply:
    """Cancel a task made by hand: it has failed, and whoever waits for a call of it is told.

    One that has ended, or that a turn works on, stays as it is. Of one that is completed already
    while calls for it go on, these are cancelled.

    Raises:
        NotFound: no such task in this account.
    """
    waiting: Sequence[Step] = []
    async with db.transaction(here) as tx:
        task = await store.find_task(tx.conn, request.task_id, here.account, lock=True)
        if task is None:
            raise NotFound("Task not found")
        if task.turn_id is None and (task.open_steps or task.status not in store.ENDED):
            waiting = await _cancel(tx, task)
            task = await store.find_task(tx.conn, task.id, here.account)
    for step in waiting:
        # The replica that has the call may be dead, and nobody will end the step after this.
        if step.reply_to is not None:
            await bus.reply(step.reply_to, answer_to(step, Failed("cancelled", CANCELLED)))
    view = TaskView.model_validate(task, from_attributes=True)
    return CancelReply(task=view, cancelled=task is not None and task.cancelled_at is not None)


async def _cancel(tx: Transaction, task: Task) -> Sequence[Step]:
    """End a task; returns the steps that it ended."""
    if task.status not in store.ENDED:
        # First, so that the ends of its steps do not end it in a way of their own.
        await store.update_task(tx.conn, task.id, status="failed")
    steps = await end_open(tx, task, CANCELLED)
    await note_cancelled(tx, task, steps)
    if task.status not in store.ENDED:
        tx.publish(ended(task, "failed", task.total_cost, note=CANCELLED))
    return steps
