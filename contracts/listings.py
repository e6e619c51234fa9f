"""Messages about listings: who lists an agent owns it, and the market is found and chosen from."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, HttpUrl

from contracts.base import Call, Event, Id, Model, Money, Page, Payload
from contracts.registry import AgentList, AgentReply, AgentState, AgentView, Billing, Protocol

MOST_WORDS = 64
"""Words that agents are looked for by at once."""
MOST_CHOSEN = 500
"""Candidates that one answer may name."""
MOST_OFFERS = 100
"""Listings that one import may make: one for each tool of a server."""
Reason = Annotated[str, Field(min_length=1, max_length=500)]


class ListingFields(Model):
    """What an owner may say of a listing; what is left out, the agent is asked for.

    Attributes:
        base_price: BazaarBucks per call when idle.
        tool: the tool of the MCP server, or the skill of the A2A agent, that is called.
        limit_s: seconds that a call may take.
        at_once: calls that it takes at the same time.
    """

    name: str | None = Field(default=None, min_length=1, max_length=200)
    description: str | None = Field(default=None, max_length=2_000)
    skills: list[str] | None = Field(default=None, min_length=1, max_length=50)
    capabilities: list[str] | None = Field(default=None, max_length=50)
    base_price: Money | None = None
    input_schema: Payload | None = None
    billing: Billing | None = None
    limit_s: int | None = Field(default=None, ge=1, le=86_400)
    at_once: int | None = Field(default=None, ge=1, le=1_000)


class ListAgent(ListingFields):
    """Lists an agent for the account that asks.

    Raises (over the bus): `Conflict` when the id or the name is somebody's, `Invalid` when
    something cannot be listed, or has to be asked of an agent that does not say it.

    Attributes:
        agent_id: None for one made of the name.
        made_with: names the request, so that asking twice is asking once.
        as_admin: whether a tolerance may be declared with how it bills.
    """

    agent_id: Id | None = None
    endpoint_url: HttpUrl
    protocol: Protocol = "native"
    tool: str | None = Field(default=None, min_length=1, max_length=200)
    state: Literal["draft", "active"] = "active"
    made_with: Id | None = None
    as_admin: bool = False


class ChangeListing(ListingFields):
    """Changes a listing: what is given, and the state.

    Raises (over the bus): `NotFound` when it is not the account's own, `Conflict` when its state
    forbids it.

    Attributes:
        state: where it is to be; suspending needs a reason.
        cleared: members that are the agent's own word again, or the marketplace's setting.
        as_admin: whether it may be anybody's.
    """

    agent_id: Id
    endpoint_url: HttpUrl | None = None
    tool: str | None = Field(default=None, min_length=1, max_length=200)
    state: AgentState | None = None
    reason: Reason | None = None
    cleared: list[str] = Field(default_factory=list, max_length=20)
    as_admin: bool = False


class ImportAgents(Model):
    """Lists what is found at a URL: an agent of our own protocol, an A2A agent, MCP tools.

    What the same account has from there already is brought up to date. Raises (over the bus):
    `Invalid` when nothing can be listed, with the reason; nothing is stored then.

    Attributes:
        url: of the agent, of its card, or of the MCP server.
        protocol: only this one is tried; None for all.
        tools: of what is offered, only these; None for all.
        agent_id: of the listing, or what the ids of several begin with.
        base_price: BazaarBucks per call, of what does not say its price.
    """

    url: HttpUrl
    protocol: Protocol | None = None
    tools: list[str] | None = Field(default=None, min_length=1, max_length=MOST_OFFERS)
    agent_id: Id | None = None
    base_price: Money | None = None
    state: Literal["draft", "active"] = "active"
    made_with: Id | None = None


class CloseListings(Model):
    """Takes all listings of the account that asks off the market, and lists no more of it.

    For an administrator, as whom they are suspended: only an administrator resumes them. Some at a
    time: it is asked again until nothing is suspended any more.
    """

    reason: Reason


class ClosedListings(Model):
    """The listings that this request suspended."""

    agent_ids: list[Id]


Sorting = Literal["oldest", "newest", "price", "rating"]


class Filters(Model):
    """Which agents are looked for.

    Attributes:
        q: words; each is in the name, the skills, the capabilities or the description.
        skill: one that it lists, in these very words.
        available: whether its last probe answered.
        max_price: BazaarBucks per call, at the present load.
        min_rating: stars, as of some seconds ago.
    """

    q: str | None = Field(default=None, max_length=200)
    skill: str | None = Field(default=None, max_length=100)
    available: bool | None = None
    max_price: Money | None = None
    min_rating: Decimal | None = Field(default=None, ge=0, le=5, max_digits=3, decimal_places=2)


class FindAgents(Page, Filters):
    """Asks for agents that fit, page by page.

    Attributes:
        owner: an account; of one's own, also what is not on the market is found.
        sort: by registration, by the price of the listing, or by the rating, best first.
    """

    owner: Id | None = None
    sort: Sorting = "oldest"


class ChooseAgents(Model):
    """Asks for agents that are on the market, best first.

    Attributes:
        skill: who has it; None for anybody who has one of the words.
        words: of a wish; who has more of them fits better.
        agent_ids: who is among the answers in any case, if on the market.
        sample: how many of the oldest listings are among them in any case.
        max_price: BazaarBucks per call, at the present load.
        away: whether those that do not answer their probes are named as well, last.
    """

    skill: str | None = Field(default=None, max_length=100)
    words: list[Annotated[str, Field(max_length=100)]] = Field(
        default_factory=list, max_length=MOST_WORDS
    )
    agent_ids: list[Id] = Field(default_factory=list, max_length=100)
    sample: int = Field(default=0, ge=0, le=200)
    max_price: Money | None = None
    away: bool = False
    limit: int = Field(default=20, ge=1, le=MOST_CHOSEN)


class Scores(Model):
    """What a score is made of; each from 0 to 1, and so is the whole, weighted by settings."""

    skill: float
    price: float
    rating: float
    load: float
    latency: float
    breaker: float = 1.0


class Considered(Model):
    """An agent among those that could be chosen.

    Attributes:
        score: 0 to 1; the highest is chosen.
        seq: its place in the order of registration.
        standing: the score but for how well its skills fit: to compare those who fit as well.
    """

    agent: AgentView
    score: float
    standing: float
    seq: int = 0
    scores: Scores


class Choice(Model):
    """Who could be chosen, best first, and why the first one is.

    Attributes:
        reason: a sentence; also when there is nobody.
    """

    candidates: list[Considered]
    reason: str


class AgentSuspended(Event):
    """A listing left the market, until it is resumed.

    Attributes:
        by: `owner` or `admin`.
    """

    type = "agent.suspended"
    agent_id: Id
    name: str
    owner: Id | None = None
    reason: str
    by: Literal["owner", "admin"]

    def entity_id(self) -> str:
        """The agent's id."""
        return self.agent_id


class AgentRetired(Event):
    """A listing left the market for good; its name is kept."""

    type = "agent.retired"
    agent_id: Id
    name: str
    owner: Id | None = None
    reason: str | None = None
    by: Literal["owner", "admin"]

    def entity_id(self) -> str:
        """The agent's id."""
        return self.agent_id


LIST_AGENT = Call("registry", "list_agent", ListAgent, AgentReply, timeout_ms=10_000)
CHANGE_LISTING = Call("registry", "change_listing", ChangeListing, AgentReply, timeout_ms=10_000)
IMPORT_AGENTS = Call("registry", "import_agents", ImportAgents, AgentList, timeout_ms=30_000)
CLOSE_LISTINGS = Call(
    "registry", "close_listings", CloseListings, ClosedListings, timeout_ms=30_000
)
FIND_AGENTS = Call("registry", "find_agents", FindAgents, AgentList)
CHOOSE_AGENTS = Call("registry", "choose_agents", ChooseAgents, Choice)
