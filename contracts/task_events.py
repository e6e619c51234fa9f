"""Events of the task service: what became of tasks and their steps, and what they cost."""

from pydantic import Field

from contracts.base import Id, Model, Money, TaskEvent
from contracts.task import FailureReason, StepStatus


class TaskCreated(TaskEvent):
    """A task was made."""

    type = "task.created"
    user_query: str
    required_skills: list[str]
    max_budget: Money
    turn_id: Id | None = None


class TaskStarted(TaskEvent):
    """The first step of a task began, or a finished task was taken up again."""

    type = "task.started"
    turn_id: Id | None = None


class StepBill(Model):
    """What one step cost, in BazaarBucks; `turn_id` is the turn that it was done for."""

    step_id: Id
    agent_id: Id
    agent_name: str
    status: StepStatus
    cost: Money
    external_cost: Money
    turn_id: Id | None = None


class TaskEnded(TaskEvent):
    """What the end of a task says: the whole bill (of an orchestrated task, step by step).

    A task that several turns used has the steps of all of them on its bill.

    Attributes:
        turn_id: the turn that ended it.
    """

    total_cost: Money
    turn_id: Id | None = None
    bill: list[StepBill] = Field(default_factory=list)


class TaskCompleted(TaskEnded):
    """A task has all it needs; every payment of it is settled when it was orchestrated."""

    type = "task.completed"


class TaskFailed(TaskEnded):
    """A task ended without all it needs."""

    type = "task.failed"
    note: str | None = None


class StepStarted(TaskEvent):
    """A step was given to an agent."""

    type = "step.started"
    step_id: Id
    agent_id: Id
    turn_id: Id | None = None


class StepProgress(TaskEvent):
    """An agent that works for long told how far it is.

    Attributes:
        percent: of the work; None when it does not say.
        message: its own words; None when it said none.
    """

    type = "step.progress"
    step_id: Id
    agent_id: Id
    percent: int | None = Field(default=None, ge=0, le=100)
    message: str | None = Field(default=None, max_length=300)
    turn_id: Id | None = None


class StepCompleted(TaskEvent):
    """An agent did its work; the hold of this step is to be captured.

    Attributes:
        cost: BazaarBucks to be charged for the agent's work; covered by the hold.
        external_cost: BazaarBucks to be charged for what it bought; covered by the hold.
        billed: what the agent asked for in all, with the surge; more than `cost` plus
            `external_cost` is an overcharge and is not paid.
        execution_time: milliseconds.
        cut: whether `result` is only the beginning of it; the whole is the step's.
        quoted: what the step was promised to cost in all; None when nothing was promised.
        overbilled: whether `billed` is more than the agent may ask for by its own listing, or by
            what was agreed on with it.
    """

    type = "step.completed"
    step_id: Id
    agent_id: Id
    subtask_type: str
    result: str
    cost: Money
    external_cost: Money
    billed: Money
    requires_external_tool: bool
    vendor: str | None = None
    execution_time: int = Field(ge=1)
    turn_id: Id | None = None
    cut: bool = False
    quoted: Money | None = None
    overbilled: bool = False


class StepFailed(TaskEvent):
    """A step came to nothing; its hold is to be released.

    Attributes:
        started: whether step.started was published for it.
    """

    type = "step.failed"
    step_id: Id
    agent_id: Id
    reason: FailureReason
    error: str
    started: bool = True
    turn_id: Id | None = None
