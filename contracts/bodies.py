"""What callers send to the gateway: bodies whose members are all known, with their real limits."""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    HttpUrl,
    JsonValue,
    TypeAdapter,
    WithJsonSchema,
)

from contracts.base import MAX_AMOUNT, MICRO, Id, Model, Moment, Money
from contracts.cards import CENT, MOST_BY_CARD, Cents
from contracts.chat import MAX_CONTENT
from contracts.credentials import HEADER, VALUE
from contracts.disputes import Note
from contracts.hooks import HOOK_EVENTS, HookEvent, HookUrl
from contracts.ledger import Paid
from contracts.listings import MOST_OFFERS, Reason
from contracts.quotes import QuoteId
from contracts.registry import AgentState, Protocol
from contracts.selling import StripeAccount
from contracts.spending import SpenderScope


def _asked(pattern: str, **limits: Decimal | int) -> WithJsonSchema:
    """The two ways to write an amount in a body, for the OpenAPI document: number or digits."""
    bounds = {name: float(limit) for name, limit in limits.items()}
    return WithJsonSchema(
        {"anyOf": [{"type": "number", **bounds}, {"type": "string", "pattern": pattern}]}
    )


AskedMoney = Annotated[
    Money,
    _asked(
        r"^(1000000(\.0+)?|(0|[1-9][0-9]{0,5})(\.[0-9]{1,6}0*)?)$",
        minimum=0,
        maximum=MAX_AMOUNT,
        multipleOf=MICRO,
    ),
]
AskedPaid = Annotated[
    Paid,
    _asked(
        r"^(1000000(\.0+)?|[1-9][0-9]{0,5}(\.[0-9]{1,6}0*)?|0\.[0-9]{0,5}[1-9]0*)$",
        exclusiveMinimum=0,
        maximum=MAX_AMOUNT,
        multipleOf=MICRO,
    ),
]
AskedCents = Annotated[
    Cents,
    _asked(
        r"^([1-9][0-9]{0,5}(\.[0-9]{1,2}0*)?|0\.[0-9]?[1-9]0*)$",
        exclusiveMinimum=0,
        maximum=MOST_BY_CARD,
        multipleOf=CENT,
    ),
]

_WORD = re.compile("[^\\s\\x1c-\\x1f\\x85\\ufeff]")
"""Anything but white space, as every dialect of regular expressions sees it."""


def _with_a_word(text: str) -> str:
    if not _WORD.search(text):
        raise ValueError("must contain more than white space")
    return text


_SAYS_SOMETHING = (
    AfterValidator(_with_a_word),
    Field(json_schema_extra={"pattern": r"[^\s\u001c-\u001f\u0085\ufeff]"}),
)
Words = Annotated[str, Field(min_length=1, max_length=MAX_CONTENT), *_SAYS_SOMETHING]
Skill = Annotated[str, Field(min_length=1, max_length=100), *_SAYS_SOMETHING]


def _none_when_empty(id_: object) -> object:
    return None if id_ == "" else id_


MaybeId = Annotated[
    Id | None,
    BeforeValidator(_none_when_empty),
    WithJsonSchema(
        {
            "anyOf": [
                TypeAdapter(Id).json_schema(),
                {"type": "string", "maxLength": 0},
                {"type": "null"},
            ]
        }
    ),
]
"""An id or none; an empty text, as forms send it, is none."""


def _such_as(**members: JsonValue) -> dict[str, JsonValue]:
    return {"examples": [members]}


class Body(Model, extra="forbid", populate_by_name=False):
    """A body of which every member is known; its names are camelCase and nothing else."""


class NewTask(
    Body,
    json_schema_extra=_such_as(
        userQuery="Translate my letter.", requiredSkills=["translate"], maxBudget=5
    ),
):
    """Body of POST /api/tasks."""

    user_query: Words
    required_skills: list[Skill] = Field(default_factory=list, max_length=50)
    max_budget: AskedMoney | None = None


class Invocation(
    Body,
    json_schema_extra=_such_as(agentId="translator", payload={"text": "hello"}, maxPrice="0.5"),
):
    """Body of POST /api/invoke-agent; an empty `taskId` is as good as none.

    Exactly one says whom: `agentId`, or a `skill`, for which the best agent is chosen. `quoteId`
    says whose quote it is, so that both may be left out beside it.
    """

    agent_id: Id | None = None
    skill: Skill | None = None
    task_id: MaybeId = None
    payload: dict[str, JsonValue]
    max_price: AskedMoney | None = None
    quote_id: QuoteId | None = None


class NewQuote(Body, json_schema_extra=_such_as(agentId="translator", payload={"text": "hello"})):
    """Body of POST /api/quotes; an agent that bills by size needs the payload.

    `agentId`, or a `skill`, for which the best agent is chosen.
    """

    agent_id: Id | None = None
    skill: Skill | None = None
    payload: dict[str, JsonValue] | None = None


class NewSession(
    Body, json_schema_extra=_such_as(limit=5, perTask=1, expiresAt="2030-01-01T00:00:00Z")
):
    """Body of POST /api/sessions: a credential of the account that spends no more than `limit`."""

    limit: AskedPaid
    per_task: AskedPaid | None = None
    per_day: AskedPaid | None = None
    agents: list[Id] | None = Field(default=None, min_length=1, max_length=100)
    note: str = Field(default="", max_length=200)
    expires_at: Moment
    approve_above: AskedMoney | None = None


class NewKey(Body, json_schema_extra=_such_as(account="ann", scopes=["read", "write"], perDay=20)):
    """Body of POST /api/keys: a key of any account, with limits or without."""

    account: Id
    scopes: list[SpenderScope] = Field(min_length=1, max_length=3)
    limit: AskedPaid | None = None
    per_task: AskedPaid | None = None
    per_day: AskedPaid | None = None
    agents: list[Id] | None = Field(default=None, min_length=1, max_length=100)
    note: str = Field(default="", max_length=200)
    expires_at: Moment | None = None
    approve_above: AskedMoney | None = None


class NewPayment(Body, json_schema_extra=_such_as(taskId="t1", agentId="translator", amount=1.25)):
    """Body of POST /api/payments/bazaarbucks: pay an agent by hand for a task."""

    task_id: Id
    agent_id: Id
    amount: AskedPaid
    payment_id: Id | None = None


class Refund(Body, json_schema_extra=_such_as(amount=0.5, refundId="complaint-7")):
    """Body of POST /api/payments/bazaarbucks/{id}/refund; all that is left without an amount."""

    amount: AskedPaid | None = None
    refund_id: Id | None = None


class CardRefund(Body, json_schema_extra=_such_as(refundId="complaint-8")):
    """Body of POST /api/payments/stripe/{id}/refund."""

    refund_id: Id | None = None


class GivenCredential(Body, json_schema_extra=_such_as(value="Bearer 4f1c")):
    """Body of POST /api/agents/{id}/credential: a header, and the secret in it."""

    header: str = Field(default="Authorization", pattern=HEADER)
    value: str = Field(pattern=VALUE, repr=False)


class OpenCheckout(Body, json_schema_extra=_such_as(amount=20)):
    """Body of POST /api/payments/checkout."""

    amount: AskedCents
    payment_id: Id | None = None


def _whole(said: Any) -> Any:
    """To JSON, 4.0 is a whole number as well."""
    return int(said) if isinstance(said, float) and said.is_integer() else said


class Stars(Body, json_schema_extra=_such_as(stars=5)):
    """Body of POST /api/tasks/{id}/rating."""

    stars: Annotated[
        Annotated[int, Field(ge=1, le=5, strict=True)],
        BeforeValidator(_whole),
    ]


class NewPayout(Body, json_schema_extra=_such_as(amount=12.5)):
    """Body of POST /api/seller/payouts; all that is available without an amount."""

    amount: AskedCents | None = None
    payout_id: Id | None = None


class Destination(Body, json_schema_extra=_such_as(destination="acct_1032D82eZvKYlo2C")):
    """Body of PUT /api/seller/destination."""

    destination: StripeAccount


class NewDispute(Body, json_schema_extra=_such_as(note="It is not what I asked for.", amount=2)):
    """Body of POST /api/payments/bazaarbucks/{id}/dispute; all that is left without an amount."""

    note: Note
    amount: AskedPaid | None = None


class DisputeNote(Body, json_schema_extra=_such_as(note="It is what was asked for.")):
    """Body of POST /api/disputes/{id}/note."""

    note: Note


class Decision(Body, json_schema_extra=_such_as(accept=True)):
    """Body of POST /api/disputes/{id}/decision; `accept` gives the money back."""

    accept: bool = Field(strict=True)
    note: Note | None = None


class NewWebhook(
    Body,
    json_schema_extra=_such_as(url="https://shop.example/hook", events=["task.completed"]),
):
    """Body of POST /api/webhooks; of all events without `events`."""

    url: HookUrl
    events: list[HookEvent] = Field(default_factory=list, max_length=len(HOOK_EVENTS))


class Replay(Body, json_schema_extra=_such_as(deliveryId="0f8fad5bd9cb469fa165")):
    """Body of POST /api/webhooks/{id}/replay; all that failed without a `deliveryId`."""

    delivery_id: Id | None = None


class ChatInput(
    Body, json_schema_extra=_such_as(content="Translate 'hello' to Spanish.", maxBudget=2)
):
    """Body of POST /api/hubchat/message; an empty `taskId` is as good as none."""

    content: Words
    max_budget: AskedMoney | None = None
    task_id: MaybeId = None


Label = Annotated[str, Field(min_length=1, max_length=200), *_SAYS_SOMETHING]


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
    json_schema_extra=_such_as(
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


class ListingChange(Listed, json_schema_extra=_such_as(basePrice=0.09)):
    """Body of PATCH /api/agents/{id}: null is the agent's own word, or the usual."""

    endpoint_url: HttpUrl | None = None
    tool: Label | None = None
    state: AgentState | None = None
    reason: Reason | None = None


class Suspension(Body, json_schema_extra=_such_as(reason="It moves to another machine.")):
    """Body of POST /api/agents/{id}/suspend."""

    reason: Reason


class Import(Body, json_schema_extra=_such_as(url="https://agent.example", basePrice=0.05)):
    """Body of POST /api/agents/import."""

    url: HttpUrl
    protocol: Protocol | None = None
    tools: list[Label] | None = Field(default=None, min_length=1, max_length=MOST_OFFERS)
    id: MaybeId = None
    base_price: AskedMoney | None = None
    state: Literal["draft", "active"] = "active"
