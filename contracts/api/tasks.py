"""Tasks as the API shows them: steps, calls to agents, quotes, and what was cancelled."""

from contracts.api.agents import Chosen
from contracts.api.amounts import Number
from contracts.base import Id, Model
from contracts.quotes import QuoteView
from contracts.task import InvokeReply, StepView, TaskStatus, TaskView


class Task(TaskView):
    """A task, as GET /api/tasks lists it."""

    max_budget: Number
    total_cost: Number


class TaskStep(StepView):
    """A step, as GET /api/tasks/{id}/steps lists it."""

    cost: Number
    external_cost: Number
    quoted: Number | None = None
    billed: Number | None = None
    paid: Number | None = None


class InvocationResult(InvokeReply):
    """Answer of POST /api/invoke-agent."""

    cost: Number
    external_cost: Number
    quoted: Number | None = None
    billed: Number | None = None
    chosen: Chosen | None = None


class Quote(QuoteView):
    """Answer of POST /api/quotes."""

    price: Number
    work: Number
    purchases: Number
    chosen: Chosen | None = None


class Cancellation(Model):
    """Answer of POST /api/tasks/{id}/cancel and POST /api/turns/{id}/cancel.

    Attributes:
        task_id: the task; None when the turn had none.
        turn_id: the turn; None when nobody in the chat asked for the task.
        cancelled: whether it was cancelled, by this request or an earlier one; False when it had
            come to its end, or its end was decided.
        status: how the task stands; a cancelled one has failed, once its bill is settled.
    """

    task_id: Id | None = None
    turn_id: Id | None = None
    cancelled: bool
    status: TaskStatus | None = None
