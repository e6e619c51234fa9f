"""Calls and views of the task service: tasks, their steps, and the calls to agents."""

from typing import Literal

from pydantic import Field, JsonValue

from contracts.base import Call, Id, Model, Moment, Money, Page
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


CREATE_TASK = Call("task", "create_task", CreateTask, TaskReply)
GET_TASK = Call("task", "get_task", GetTask, TaskReply)
LIST_TASKS = Call("task", "list_tasks", ListTasks, TaskList)
LIST_STEPS = Call("task", "list_steps", ListSteps, StepList)
INVOKE_AGENT = Call("task", "invoke_agent", InvokeAgent, InvokeReply, timeout_ms=100_000)
