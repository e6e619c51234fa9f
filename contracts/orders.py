"""Orders to the task service: what an orchestrator has it do for a turn of a conversation."""

from typing import Literal

from pydantic import Field

from contracts.base import Command, Id, Model, Money, Payload


class StepSpec(Model):
    """A step to be run, as an orchestrator plans it.

    Attributes:
        id: chosen by the orchestrator, so that ordering it twice is ordering it once.
        depends_on: ids of steps that must be completed first.
        payload: may hold `{"$result": "<step id>"}` for the result of one of these.
        replaces: id of a failed step; what waited for that one waits for this one, and what was
            held for it is free for this one.
        negotiation_id: the agreement that fixes this step's price; without one it is the agent's
            own.
    """

    id: Id
    agent_id: Id
    skill: str = Field(max_length=100)
    payload: Payload
    depends_on: list[Id] = Field(default_factory=list, max_length=50)
    max_price: Money | None = None
    replaces: Id | None = None
    negotiation_id: Id | None = None


class StartTask(Command):
    """Makes a task with its first steps and runs them."""

    type = "task.start"
    task_id: Id
    turn_id: Id
    user_query: str
    required_skills: list[str]
    max_budget: Money
    steps: list[StepSpec] = Field(max_length=50)

    def entity_id(self) -> str:
        """The task's id."""
        return self.task_id


class AddSteps(Command):
    """Adds steps to an orchestrated task.

    Attributes:
        turn_id: the turn that they belong to; another one than the task's takes the task up
            again, also when it had ended.
        max_budget: the task's budget from now on; it can only grow.
    """

    type = "task.add_steps"
    task_id: Id
    turn_id: Id | None = None
    max_budget: Money | None = None
    steps: list[StepSpec] = Field(max_length=50)

    def entity_id(self) -> str:
        """The task's id."""
        return self.task_id


class FinishTask(Command):
    """Ends an orchestrated task: what is open is cancelled, what is paid stays paid.

    Attributes:
        turn_id: the turn that ends it; when another one took the task up meanwhile, nothing ends.
        cancelled: whether a person cancelled the turn: then nothing of it begins any more, also
            when this comes before the order to begin.
        final: whether this ends the task; else what is open is cancelled now, and the order that
            ends it follows.
    """

    type = "task.finish"
    task_id: Id
    turn_id: Id | None = None
    outcome: Literal["completed", "failed"]
    note: str | None = None
    cancelled: bool = False
    final: bool = True

    def entity_id(self) -> str:
        """The task's id."""
        return self.task_id
