"""Messages of the chat service: what people and the orchestrator say, and turns."""

from typing import Literal

from pydantic import Field, field_validator

from contracts.base import Call, Command, Event, Id, Model, Moment, Money, Page

Role = Literal["user", "assistant"]
Refused = Literal["budget", "no_plan"]
"""Why nobody was called for a wish: it would cost more than may be spent, or there is no plan for
it, since no agent can do it, it was not understood, or something is missing."""
MAX_CONTENT = 200_000
"""Characters that one chat message may have."""


class CostLine(Model):
    """What one agent cost in a task.

    Attributes:
        agent: its display name, which another one may have too.
        agent_id: its own; None in a bill of release 0.2, which added up by name.
    """

    agent: str
    cost: Money
    agent_id: Id | None = None


class CostBreakdown(Model):
    """A bill in BazaarBucks; the total is the sum of its lines and the task's total cost."""

    subtasks: list[CostLine]
    total: Money


class LlmUse(Model):
    """What the language model itself used in a turn.

    Attributes:
        cached: input tokens that the model's provider had in its cache; part of `input`.
        written: those that it put there, which cost more; part of `input`.
        usd: US dollars, by the provider's list price.
        estimated: whether the price of the model is not known, and a configured one was used.
        charged: BazaarBucks that the user paid for it; None when it is not charged.
    """

    model: str
    input: int = Field(ge=0)
    output: int = Field(ge=0)
    cached: int = Field(ge=0)
    usd: Money
    charged: Money | None = None
    estimated: bool = False
    written: int = Field(default=0, ge=0)


class MessageView(Model):
    """A message in the conversation of an account.

    Attributes:
        orchestrator: who answered: `claude` or `rules`; None for what a person said.
        llm: what the language model used for it, when one did.
    """

    id: Id
    role: Role
    content: str
    task_id: Id | None = None
    cost_breakdown: CostBreakdown | None = None
    created_at: Moment
    orchestrator: str | None = None
    llm: LlmUse | None = None


class PostMessage(Model):
    """Says something to HubChat.

    Attributes:
        turn_id: chosen by the caller, so that it can listen for the turn's end beforehand and
            so that asking twice is asking once.
        content: as typed, untrimmed; blank is refused.
        max_budget: BazaarBucks that the turn's task may cost; for a task that is gone on with, in
            all, and no less than before.
        task_id: the task of an earlier turn to go on with; a new one is made when there is none.
    """

    turn_id: Id
    content: str = Field(min_length=1, max_length=MAX_CONTENT)
    max_budget: Money | None = None
    task_id: Id | None = None

    @field_validator("content")
    @classmethod
    def _not_blank(cls, content: str) -> str:
        if not content.strip():
            raise ValueError("must contain more than white space")
        if "\x00" in content:
            raise ValueError("must not contain the NUL character")
        return content


class PostReply(Model):
    """The stored message, the turn that will answer it, and the task that the turn would use.

    Attributes:
        answer: the assistant's message, when the turn was posted before and has ended; its event
            is not published again.
    """

    turn_id: Id
    message: MessageView
    task_id: Id | None = None
    answer: MessageView | None = None


class ListMessages(Page):
    """Asks for the newest messages of the account, or of one task of it, oldest first."""

    task_id: Id | None = None


class MessageList(Model):
    """A page of messages."""

    messages: list[MessageView]
    next_cursor: str | None = None


class ForgetMessages(Model):
    """Deletes what was said about a task; what it did and cost stays. `NotFound` without any.

    Raises (over the bus): `Conflict` while a turn of it is open.
    """

    task_id: Id


class Forgotten(Model):
    """How many messages were deleted."""

    messages: int = Field(ge=0)


class Think(Command):
    """Orders the orchestrator to make its next move in a turn.

    Attributes:
        round: how many moves were made before.
    """

    type = "chat.think"
    turn_id: Id
    round: int = Field(default=0, ge=0)

    def entity_id(self) -> str:
        """The turn's id."""
        return self.turn_id


class UseTool(Command):
    """Orders a tool of the orchestrator to be used, as it decided in a turn."""

    type = "chat.use_tool"
    turn_id: Id
    call_id: Id

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


class PlanCandidate(Model):
    """An agent that could do a step.

    Attributes:
        score: 0 to 1, as `GET /api/agents/choose` explains it; None when there was none.
        price: BazaarBucks per call when it was chosen.
    """

    agent_id: Id
    score: float | None = None
    price: Money | None = None


class PlannedStep(Model):
    """A step that the orchestrator intends, before anything is called.

    Attributes:
        candidates: who can do it, in the order in which they are tried.
        reason: why the first of them is, as a sentence.
    """

    step_id: Id
    agent_id: Id
    skill: str
    candidates: list[PlanCandidate] = Field(default_factory=list)
    reason: str | None = None


class PlanProposed(Event):
    """The orchestrator decided which agents to use."""

    type = "plan.proposed"
    turn_id: Id
    task_id: Id
    orchestrator: str
    steps: list[PlannedStep]
    round: int = Field(default=0, ge=0)

    def entity_id(self) -> str:
        """The task's id."""
        return self.task_id


class TurnStreamed(Event):
    """A piece of what the language model says, while it says it.

    Not kept anywhere: whoever misses it finds the whole in the assistant's message.

    Attributes:
        round: which of the turn's moves it belongs to.
        offset: characters of this move before it; 0 again when the move is begun anew.
    """

    type = "turn.streamed"
    kept = False
    turn_id: Id
    task_id: Id
    round: int = Field(ge=0)
    offset: int = Field(ge=0)
    text: str

    def entity_id(self) -> str:
        """The task's id."""
        return self.task_id


class TurnCompleted(Event):
    """The assistant's message of a turn is stored.

    Attributes:
        refused: set when something was wished and nobody was called for it; None of a language
            model, whose words alone say so, and of release 0.2.0.
    """

    type = "turn.completed"
    turn_id: Id
    task_id: Id | None = None
    message: MessageView
    refused: Refused | None = None

    def entity_id(self) -> str:
        """The task's id where there is one, else the turn's."""
        return self.task_id or self.turn_id


POST_MESSAGE = Call("chat", "post_message", PostMessage, PostReply)
LIST_MESSAGES = Call("chat", "list_messages", ListMessages, MessageList)
FORGET_MESSAGES = Call("chat", "forget_messages", ForgetMessages, Forgotten)
