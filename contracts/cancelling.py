"""Messages of the task service about tasks that are cancelled."""

from pydantic import Field

from contracts.base import Call, Id, Model, TaskEvent
from contracts.task import TaskView


class TaskCancelled(TaskEvent):
    """A task was cancelled: no further step of it begins, and what is held for it comes back.

    Its end follows as `task.failed`, at once or when its bill is settled.

    Attributes:
        turn_id: the turn that was cancelled; None for a task made by hand.
        step_ids: what was open. Agents that work on these are hung up on, and not paid.
    """

    type = "task.cancelled"
    turn_id: Id | None = None
    step_ids: list[Id] = Field(default_factory=list)


class CancelTask(Model):
    """Cancels a task made by hand; `NotFound` when there is none in this account.

    One that has ended stays as it is; one that a turn works on is cancelled with its turn
    (`chat.cancel_turn`).
    """

    task_id: Id


class CancelReply(Model):
    """A task as it stands, and whether it was cancelled, now or before."""

    task: TaskView
    cancelled: bool


CANCEL_TASK = Call("task", "cancel_task", CancelTask, CancelReply)
