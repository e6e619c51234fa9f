"""Messages of the chat service: what people and the orchestrator say, and turns."""

from typing import Literal

from pydantic import Field, field_validator

from contracts.base import Call, Command, Event, Id, Model, Moment, Money, Page

Role = Literal["user", "assistant"]
MAX_CONTENT = 200_000
"""Characters that one chat message may have."""


class CostLine(Model):
    """What one agent cost in a task, by its display name."""

    agent: str
    cost: Money


class CostBreakdown(Model):
    """A bill in BazaarBucks; the total is the sum of its lines and the task's total cost."""

    subtasks: list[CostLine]
    total: Money


class MessageView(Model):
    """A message in the conversation of an account."""

    id: Id
    role: Role
    content: str
    task_id: Id | None = None
    cost_breakdown: CostBreakdown | None = None
    created_at: Moment


class PostMessage(Model):
    """Says something to HubChat.

    Attributes:
        turn_id: chosen by the caller, so that it can listen for the turn's end beforehand and
            so that asking twice is asking once.
        content: as typed, untrimmed; blank is refused.
        max_budget: BazaarBucks that the turn may cost.
    """

    turn_id: Id
    content: str = Field(min_length=1, max_length=MAX_CONTENT)
    max_budget: Money | None = None

    @field_validator("content")
    @classmethod
    def _not_blank(cls, content: str) -> str:
        if not content.strip():
            raise ValueError("must contain more than white space")
        if "\x00" in content:
            raise ValueError("must not contain the NUL character")
        return content


class PostReply(Model):
    """The stored message and the turn that will answer it."""

    turn_id: Id
    message: MessageView


class ListMessages(Page):
    """Asks for the newest messages of the account, oldest first."""


class MessageList(Model):
    """A page of messages."""

    messages: list[MessageView]
    next_cursor: str | None = None


class Think(Command):
    """Orders the orchestrator to take up a turn."""

    type = "chat.think"
    turn_id: Id

    def entity_id(self) -> str:
        """The turn's id."""
        return self.turn_id


class MessagePosted(Event):
    """A message was stored."""

    type = "message.posted"
    message_id: Id
    turn_id: Id
    role: Role
    content: str
    task_id: Id | None = None

    def entity_id(self) -> str:
        """The task's id where there is one, else the turn's."""
        return self.task_id or self.turn_id


class PlannedStep(Model):
    """A step that the orchestrator intends, before anything is called."""

    step_id: Id
    agent_id: Id
    skill: str


class PlanProposed(Event):
    """The orchestrator decided which agents to use."""

    type = "plan.proposed"
    turn_id: Id
    task_id: Id
    orchestrator: str
    steps: list[PlannedStep]

    def entity_id(self) -> str:
        """The task's id."""
        return self.task_id


class TurnCompleted(Event):
    """The assistant's message of a turn is stored."""

    type = "turn.completed"
    turn_id: Id
    task_id: Id | None = None
    message: MessageView

    def entity_id(self) -> str:
        """The task's id where there is one, else the turn's."""
        return self.task_id or self.turn_id


POST_MESSAGE = Call("chat", "post_message", PostMessage, PostReply)
LIST_MESSAGES = Call("chat", "list_messages", ListMessages, MessageList)
