"""Bodies about agents: listing them, taking them in, suspending them, the secrets they are sent."""

from decimal import Decimal
from typing import Literal

from pydantic import Field, HttpUrl, JsonValue

from contracts.bodies.amounts import AskedMoney
from contracts.bodies.base import Body, Label, MaybeId, Skill, such_as
from contracts.credentials import HEADER, VALUE
from contracts.listings import MOST_OFFERS, Reason
from contracts.registry import AgentState, Protocol


class GivenCredential(Body, json_schema_extra=such_as(value="Bearer 4f1c")):
    """Body of POST /api/agents/{id}/credential: a header, and the secret in it."""

    header: str = Field(default="Authorization", pattern=HEADER)
    value: str = Field(pattern=VALUE, repr=False)


class ListedBilling(Body):
    """How an agent bills; see `contracts.registry.Billing`."""

    mode: Literal["fixed", "by_size"] = "fixed"
    per_thousand: AskedMoney = Decimal(0)
    ceiling: AskedMoney | None = None
    tolerance: Decimal | None = Field(default=None, ge=1, le=10, max_digits=4, decimal_places=2)


class Listed(Body):
    """What an owner may say of an agent; what is left out, the agent is asked for."""

    name: Label | None = None
    description: str | None = Field(default=None, max_length=2_000)
    skills: list[Skill] | None = Field(default=None, min_length=1, max_length=50)
    capabilities: list[Skill] | None = Field(default=None, max_length=50)
    base_price: AskedMoney | None = None
    input_schema: dict[str, JsonValue] | None = None
    billing: ListedBilling | None = None
    limit_s: int | None = Field(default=None, ge=1, le=86_400)
    at_once: int | None = Field(default=None, ge=1, le=1_000)


class NewListing(
    Listed,
    json_schema_extra=such_as(
        id="haiku",
        endpointUrl="https://haiku.example",
        name="Haiku",
        description="Writes haiku.",
        skills=["haiku"],
        basePrice=0.07,
    ),
):
    """Body of POST /api/agents."""

    id: MaybeId = None
    endpoint_url: HttpUrl
    protocol: Protocol = "native"
    tool: Label | None = None
    state: Literal["draft", "active"] = "active"


class ListingChange(Listed, json_schema_extra=such_as(basePrice=0.09)):
    """Body of PATCH /api/agents/{id}: null is the agent's own word, or the usual."""

    endpoint_url: HttpUrl | None = None
    tool: Label | None = None
    state: AgentState | None = None
    reason: Reason | None = None


class Suspension(Body, json_schema_extra=such_as(reason="It moves to another machine.")):
    """Body of POST /api/agents/{id}/suspend."""

    reason: Reason


class Import(Body, json_schema_extra=such_as(url="https://agent.example", basePrice=0.05)):
    """Body of POST /api/agents/import."""

    url: HttpUrl
    protocol: Protocol | None = None
    tools: list[Label] | None = Field(default=None, min_length=1, max_length=MOST_OFFERS)
    id: MaybeId = None
    base_price: AskedMoney | None = None
    state: Literal["draft", "active"] = "active"
