"""What callers send to the gateway: bodies whose members are all known, with their real limits."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, TypeAdapter, WithJsonSchema

from contracts.base import MAX_AMOUNT, MICRO, Id, Model, Money
from contracts.cards import CENT, MOST_BY_CARD, Cents
from contracts.chat import MAX_CONTENT
from contracts.credentials import HEADER, VALUE
from contracts.ledger import Paid


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
    """Body of POST /api/invoke-agent; an empty `taskId` is as good as none."""

    agent_id: Id
    task_id: MaybeId = None
    payload: dict[str, JsonValue]
    max_price: AskedMoney | None = None


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


class NewCredential(Body, json_schema_extra=_such_as(value="Bearer 4f1c")):
    """Body of POST /api/agents/{id}/credential: a header, and the secret in it."""

    header: str = Field(default="Authorization", pattern=HEADER)
    value: str = Field(pattern=VALUE, repr=False)


class OpenCheckout(Body, json_schema_extra=_such_as(amount=20)):
    """Body of POST /api/payments/checkout."""

    amount: AskedCents
    payment_id: Id | None = None


class ChatInput(
    Body, json_schema_extra=_such_as(content="Translate 'hello' to Spanish.", maxBudget=2)
):
    """Body of POST /api/hubchat/message; an empty `taskId` is as good as none."""

    content: Words
    max_budget: AskedMoney | None = None
    task_id: MaybeId = None
