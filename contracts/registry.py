"""Messages of the registry: which agents there are, what they cost now, whether they answer."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, HttpUrl, PlainSerializer

from contracts.base import Call, Event, Id, Model, Moment, Money, Page, Payload


def _two_places(rating: Decimal) -> str:
    return format(rating, "f")


Rating = Annotated[
    Decimal,
    Field(ge=0, le=5, max_digits=3, decimal_places=2),
    PlainSerializer(_two_places, return_type=str, when_used="json"),
]
"""0 to 5 stars, two decimals."""


AgentState = Literal["draft", "active", "suspended", "retired"]
"""Whether a listing can be bought: not yet, yes, not just now, never again."""
Protocol = Literal["native", "a2a", "mcp"]
"""How an agent is called: by our /execute, as an A2A agent, or as a tool of an MCP server."""


Breaker = Literal["closed", "open", "half_open"]
"""Whether an agent answers its calls: `open` is left alone, `half_open` is tried."""


class Billing(Model):
    """How an agent bills; with its price this is the formula that binds it.

    Attributes:
        mode: `fixed` bills the price; `by_size` adds `per_thousand` for every thousand characters
            of the texts in the payload, a part of a thousand in proportion. Load raises both.
        per_thousand: BazaarBucks; 0 when fixed.
        ceiling: the most that one call costs in all, whatever its size and the load; None for no
            more than the formula.
        tolerance: a bill may be so many times the quote, before it is cut; None for the
            marketplace's own setting. It counts only where there is a formula: `by_size`, or
            purchases.
        purchases: BazaarBucks that the agent spends outside for one call, at most; for each of
            `purchases_of`, when that is set. Load does not raise it.
        purchases_of: the field of the payload that says how many it buys.
        purchases_default: how many, when the payload does not say.
    """

    mode: Literal["fixed", "by_size"] = "fixed"
    per_thousand: Money = Decimal(0)
    ceiling: Money | None = None
    tolerance: Decimal | None = Field(default=None, ge=1, le=2, max_digits=4, decimal_places=2)
    purchases: Money = Decimal(0)
    purchases_of: str | None = Field(default=None, min_length=1, max_length=100)
    purchases_default: int = Field(default=1, ge=0, le=1_000)


class AgentView(Model):
    """An agent as the marketplace shows it.

    Attributes:
        base_price: BazaarBucks per call when idle.
        dynamic_price: BazaarBucks per call at the present load.
        load: concurrent tasks out of ten.
        avg_response_time: milliseconds, mean over completed steps; 0 before the first.
        availability: whether its last health probe answered.
        input_schema: JSON Schema of its /execute payload, when it publishes one.
        negotiable: whether it says that its price can be negotiated.
        unique_buyers: accounts that have paid for its work, without its owner's; what they think
            is the rating.
        owner: the account that listed it; None for the operator's own.
        state_reason: why it is suspended, or retired.
        tool: the tool of the MCP server, or the skill of the A2A agent, that is called.
        limit_s: seconds that a call may take; None for the marketplace's setting.
        at_once: calls that it takes at the same time; None for the marketplace's setting.
        retry_at: until when it is not called, when its breaker is open.
    """

    id: Id
    name: str
    description: str
    skills: list[str]
    base_price: Money
    dynamic_price: Money
    load: int = Field(ge=0, le=10)
    rating: Rating
    jobs_completed: int = Field(ge=0)
    endpoint_url: str
    capabilities: list[str]
    avg_response_time: int = Field(ge=0)
    availability: bool
    input_schema: Payload | None = None
    negotiable: bool = False
    unique_buyers: int = Field(default=0, ge=0)
    owner: Id | None = None
    state: AgentState = "active"
    state_reason: str | None = None
    protocol: Protocol = "native"
    tool: str | None = None
    billing: Billing = Billing()
    limit_s: int | None = Field(default=None, ge=1, le=86_400)
    at_once: int | None = Field(default=None, ge=1, le=1_000)
    breaker: Breaker = "closed"
    retry_at: Moment | None = None

    @property
    def can_be_called(self) -> bool:
        """Whether it answers, as far as is known, and is not left alone now."""
        return self.availability and self.breaker != "open"


class ListAgents(Page):
    """Asks for the agents that are on the market, in the order they were registered."""


class AgentList(Model):
    """A page of agents."""

    agents: list[AgentView]
    next_cursor: str | None = None


class GetAgent(Model):
    """Asks for one agent; `NotFound` when there is none, or it is somebody else's draft.

    Attributes:
        as_admin: whether anybody's draft is shown.
    """

    agent_id: Id
    as_admin: bool = False


class AgentReply(Model):
    """One agent."""

    agent: AgentView


class RegisterAgent(Model):
    """Lists an agent, or changes its listing when the id is known.

    What is left out is asked of the agent itself (`GET <endpointUrl>/info`).

    Attributes:
        owner: the account that lists it; whose it is stays as it was when None.
    """

    id: Id
    endpoint_url: HttpUrl
    name: str | None = Field(default=None, min_length=1, max_length=200)
    description: str | None = Field(default=None, max_length=2_000)
    skills: list[str] | None = Field(default=None, min_length=1, max_length=50)
    capabilities: list[str] | None = Field(default=None, max_length=50)
    base_price: Money | None = None
    billing: Billing | None = None
    owner: Id | None = None


class RateTask(Model):
    """Rates a task that the account has paid for; once.

    Raises (over the bus): `Conflict` when it was rated before, or its agents are the payer's own.

    Attributes:
        agent_ids: the agents that were paid for it.
    """

    task_id: Id
    stars: int = Field(ge=1, le=5)
    agent_ids: list[Id] = Field(min_length=1, max_length=500)


class TaskRating(Model):
    """The stars that a payer gave for a task, and the agents that they count for."""

    task_id: Id
    stars: int
    agent_ids: list[Id]


class AgentRegistered(Event):
    """An agent came onto the market for the first time.

    Attributes:
        owner: the account that listed it; None for the operator's own.
        told_at: when this was so; None from release 0.2.0, which does not say whose it is.
    """

    type = "agent.registered"
    agent_id: Id
    name: str
    skills: list[str]
    base_price: Money
    endpoint_url: str
    owner: Id | None = None
    told_at: Moment | None = None

    def entity_id(self) -> str:
        """The agent's id."""
        return self.agent_id


class AgentUpdated(AgentRegistered):
    """The listing of an agent changed."""

    type = "agent.updated"


class AgentAvailabilityChanged(Event):
    """A probe found that an agent answers again, or no longer."""

    type = "agent.availability_changed"
    agent_id: Id
    availability: bool
    reason: str | None = None

    def entity_id(self) -> str:
        """The agent's id."""
        return self.agent_id


class AgentRepriced(Event):
    """Load moved an agent's price."""

    type = "agent.repriced"
    agent_id: Id
    load: int
    base_price: Money
    dynamic_price: Money

    def entity_id(self) -> str:
        """The agent's id."""
        return self.agent_id


LIST_AGENTS = Call("registry", "list_agents", ListAgents, AgentList)
GET_AGENT = Call("registry", "get_agent", GetAgent, AgentReply)
REGISTER_AGENT = Call("registry", "register_agent", RegisterAgent, AgentReply, timeout_ms=10_000)
RATE_TASK = Call("registry", "rate_task", RateTask, TaskRating)
