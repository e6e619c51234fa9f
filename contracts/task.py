"""Messages of the task service: tasks, their steps, and the calls to agents."""

from typing import Literal

from pydantic import Field, JsonValue

from contracts.base import Call, Id, Model, Moment, Money, Page, TaskEvent
from contracts.quotes import QuoteId

TaskStatus = Literal["created", "in_progress", "completed", "failed"]
StepStatus = Literal["pending", "in_progress", "completed", "failed"]

FailureReason = Literal[
    "agent_unreachable",
    "agent_busy",
    "agent_too_slow",
    "agent_error",
    "agent_refused_payload",
    "agent_refused_price",
    "agent_unknown",
    "not_covered",
    "payment_unavailable",
    "registry_unavailable",
    "dependency_failed",
    "cancelled",
]
"""Why a step failed; only the first four are the agent's own fault."""

OWN_FAULTS: frozenset[FailureReason] = frozenset(
    ("agent_unreachable", "agent_too_slow", "agent_error")
)
"""The only failures that count against an agent, beside being busy."""

RESULT_KEY = "$result"
"""In a payload, `{"$result": "<step id>"}` stands for that step's result."""


class TaskView(Model):
    """A task as the UI lists it; amounts in BazaarBucks.

    Attributes:
        spender: the credential with limits that it was made with; None for any other.
    """

    id: Id
    user_query: str
    required_skills: list[str]
    status: TaskStatus
    max_budget: Money
    total_cost: Money
    created_at: Moment
    completed_at: Moment | None = None
    spender: Id | None = None


class StepView(Model):
    """A step of a task: one call to one agent.

    Attributes:
        cost: BazaarBucks charged for the agent's work.
        external_cost: BazaarBucks charged for what the agent bought outside.
        execution_time: milliseconds, at least 1; None while unknown.
        error: a sentence when the step failed.
        quoted: BazaarBucks that it was promised to cost, purchases included; None before it began.
        billed: what the agent asked for in all; None until it was completed.
        paid: what of that is paid; less than `billed` when the rest was refused.
    """

    id: Id
    task_id: Id
    agent_id: Id
    subtask_type: str
    status: StepStatus
    cost: Money
    external_cost: Money
    requires_external_tool: bool
    result: str | None = None
    execution_time: int | None = Field(default=None, ge=1)
    created_at: Moment
    completed_at: Moment | None = None
    error: str | None = None
    reason: FailureReason | None = None
    quoted: Money | None = None
    billed: Money | None = None
    paid: Money | None = None


class CreateTask(Model):
    """Makes a task that later calls of agents may belong to.

    Attributes:
        task_id: chosen by the caller, so that asking twice is asking once; else a fresh one.
    """

    user_query: str = Field(min_length=1, max_length=200_000)
    required_skills: list[str] = Field(default_factory=list, max_length=50)
    max_budget: Money | None = None
    task_id: Id | None = None


class TaskReply(Model):
    """One task.

    Attributes:
        left: BazaarBucks of its budget that are neither paid nor held; None unless asked for.
    """

    task: TaskView
    left: Money | None = None


class GetTask(Model):
    """Asks for one task; `NotFound` when there is none in this account.

    Attributes:
        with_left: whether the payment service is asked what is left of the budget.
    """

    task_id: Id
    with_left: bool = False


class ListTasks(Page):
    """Asks for tasks, newest first."""


class TaskList(Model):
    """A page of tasks."""

    tasks: list[TaskView]
    next_cursor: str | None = None


class ListSteps(Page):
    """Asks for the steps of a task, oldest first; `NotFound` for an unknown task."""

    task_id: Id


class StepList(Model):
    """A page of steps."""

    steps: list[StepView]
    next_cursor: str | None = None


class InvokeAgent(Model):
    """Calls one agent now and waits for its answer.

    Attributes:
        task_id: the task it belongs to; a new one is made when there is none.
        payload: passed to the agent as it is.
        max_price: the most BazaarBucks that this call may cost.
        step_id: chosen by the caller, so that asking twice is asking once; else a fresh one. When
            that step has failed and nothing was decided, asking again is another try: a step of
            the same task, with this id and a number behind it, for which 58 characters leave room.
        quote_id: a quote of this account and agent; the call costs no more than that.
        skill: what the agent was chosen for, when the caller left that open: then a step of this id
            answers with the agent that it had, whoever would be chosen now.
    """

    agent_id: Id
    task_id: Id | None = None
    payload: dict[str, JsonValue]
    max_price: Money | None = None
    step_id: Id | None = None
    quote_id: QuoteId | None = None
    skill: str | None = Field(default=None, max_length=100)


class InvokeReply(Model):
    """What the agent answered and what was charged for it.

    Attributes:
        quoted: BazaarBucks that it was promised to cost, purchases included; None when the release
            before promised nothing.
        billed: what the agent asked for in all; what is more than was charged was refused.
        agent_id: who did it; None from a release before.
    """

    result: str
    cost: Money
    subtask_type: str
    requires_external_tool: bool
    external_cost: Money
    task_id: Id
    step_id: Id
    quoted: Money | None = None
    billed: Money | None = None
    agent_id: Id | None = None


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


CREATE_TASK = Call("task", "create_task", CreateTask, TaskReply)
GET_TASK = Call("task", "get_task", GetTask, TaskReply)
LIST_TASKS = Call("task", "list_tasks", ListTasks, TaskList)
LIST_STEPS = Call("task", "list_steps", ListSteps, StepList)
INVOKE_AGENT = Call("task", "invoke_agent", InvokeAgent, InvokeReply, timeout_ms=100_000)
