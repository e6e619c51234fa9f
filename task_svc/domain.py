"""Rules of tasks and steps, without I/O: prices, payloads, the states of a task."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any, Literal

from pydantic import Field

from contracts.base import MAX_AMOUNT, MICRO, Model, Moment, Money, to_micro
from contracts.errors import (
    BadAnswer,
    Conflict,
    Invalid,
    NotFound,
    PaymentRequired,
    Refusal,
    TooSlow,
    Unavailable,
)
from contracts.negotiation import MAX_ROUNDS, Offer
from contracts.registry import Billing, Breaker, Protocol
from contracts.task import RESULT_KEY, FailureReason, TaskStatus
from task_svc.promise import Promise

MAX_RESULT_CHARS = 200_000
SHARES = (Decimal("0.6"), Decimal("0.7"), Decimal("0.8"))
"""What is offered of the list price, round by round."""


class Agreement(Model):
    """A price that was agreed on with an agent, in BazaarBucks, instead of its list price."""

    price: Money
    list_price: Money


PRICE_FIELDS = ("offered_price", "negotiated_price")
"""Fields of a payload by which an agent is told what was agreed on."""


class Quote(Model):
    """What the registry said about an agent when its step began; prices in BazaarBucks.

    Attributes:
        dynamic_price: its list price, at its load of that moment.
        negotiable: whether it says that its price can be negotiated.
        price_fields: in which fields of its payload it can be told an agreed price.
        billing: how it bills; None when the registry is of a release that does not know.
        agreed: the price of this step, when one was agreed on.
        promise: what the step may cost; None of one that began in a release without promises.
        agent_key: the agent's Idempotency-Key, when it is not the step's id (`key_after`).
        protocol: how the agent is called.
        tool: the tool or skill that is called, where an agent has several.
        limit_s: seconds that the work may take; None for the setting.
        at_once: calls that it takes at the same time; None for any number.
        paid_by: how it is paid by whoever calls it, besides by BazaarBucks.
        breaker: whether it answers its calls; it is of the moment, and not kept.
        retry_at: until when it is left alone.
    """

    agent_name: str
    endpoint_url: str
    skills: list[str]
    base_price: Money
    dynamic_price: Money
    negotiable: bool = False
    price_fields: list[str] = Field(default_factory=lambda: list(PRICE_FIELDS))
    billing: Billing | None = None
    agreed: Agreement | None = None
    promise: Promise | None = None
    agent_key: str | None = None
    protocol: Protocol = "native"
    tool: str | None = None
    limit_s: int | None = None
    at_once: int | None = None
    paid_by: Literal["x402"] | None = None
    breaker: Breaker = Field(default="closed", exclude=True)
    retry_at: Moment | None = Field(default=None, exclude=True)

    def surge(self) -> Decimal:
        """By how much load raises the agent's bill: dynamic price over base price."""
        return self.dynamic_price / self.base_price if self.base_price else Decimal(1)


def hold_amount(quote: Quote, max_price: Money | None) -> Decimal:
    """What is set aside before the call.

    Args:
        quote: its agreed price goes first; without a promise, its present price counts.
        max_price: the most that the step may cost, as `pricing.most_of` says it.
    """
    if quote.agreed is not None:
        return quote.agreed.price
    return quote.dynamic_price if max_price is None else max_price


def charge(bill: Decimal, quote: Quote) -> Decimal:
    """What an agent gets for its work: the agreed price, or its bill at the surge of the quote."""
    if quote.agreed is not None:
        return quote.agreed.price
    return min(MAX_AMOUNT, to_micro(bill * quote.surge()))


def billed(bill: Decimal, external: Decimal, quote: Quote) -> Decimal:
    """What an agent asks for in all: no less than what it gets, and all of what it bought."""
    asked = charge(bill, quote)
    if quote.agreed is not None:
        asked = max(asked, bill)
    return min(MAX_AMOUNT, asked + external)


def price_fields(input_schema: Mapping[str, Any] | None) -> list[str]:
    """Where an agent can be told an agreed price: everywhere, unless its payload is closed."""
    schema = input_schema or {}
    if schema.get("additionalProperties") is not False:
        return list(PRICE_FIELDS)
    known = schema.get("properties")
    return [name for name in PRICE_FIELDS if isinstance(known, Mapping) and name in known]


def with_price(payload: Mapping[str, Any], quote: Quote) -> dict[str, Any]:
    """A payload that tells the agent what was agreed on, if anything was."""
    if quote.agreed is None:
        return dict(payload)
    price = float(quote.agreed.price)
    return {**payload, **dict.fromkeys(quote.price_fields, price)}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a negotiation ended: the agreed price in BazaarBucks, or None; a sentence for people."""

    price: Decimal | None
    message: str


def next_offer(list_price: Decimal, max_price: Decimal, made: int) -> Decimal | None:
    """What is offered in the round after `made` others; None when there is nothing to offer.

    Always above zero, below the list price and within `max_price`.
    """
    if made >= MAX_ROUNDS:
        return None
    share = (list_price * SHARES[made]).quantize(MICRO, rounding=ROUND_DOWN)
    return min(share, max_price) or None


def taken(offer: Offer, list_price: Decimal, max_price: Decimal) -> Decimal | None:
    """The price that a round settled on, if it did.

    A counter offer is taken when it is within `max_price` and below the list price.
    """
    if offer.accepted:
        return offer.offered
    if offer.counter and offer.counter <= max_price and offer.counter < list_price:
        return offer.counter
    return None


def verdict(
    agent: str, list_price: Decimal, max_price: Decimal, offers: Sequence[Offer]
) -> Verdict | None:
    """How a negotiation stands after its last round; None when another is to be made."""
    price = taken(offers[-1], list_price, max_price)
    if price is not None:
        return Verdict(price, f"{agent} works for {shown(price)} instead of {shown(list_price)}.")
    if next_offer(list_price, max_price, len(offers)) is not None:
        return None
    best = max(offer.offered for offer in offers)
    return Verdict(
        None, f"{agent} does not work for {shown(best)}; its price is {shown(list_price)}."
    )


def shown(amount: Decimal) -> str:
    """An amount in a sentence, such as `0.5 BazaarBucks`."""
    return f"{amount.normalize():f} BazaarBucks"


@dataclass(frozen=True, slots=True)
class Split:
    """What is paid of a bill, in BazaarBucks."""

    cost: Decimal
    external: Decimal


def with_results(value: Any, results: Mapping[str, str]) -> Any:
    """A payload with every `{"$result": id}` replaced by that step's result.

    Raises:
        KeyError: a step that has no result yet.
    """
    if isinstance(value, Mapping):
        if set(value) == {RESULT_KEY}:
            return results[str(value[RESULT_KEY])]
        return {key: with_results(item, results) for key, item in value.items()}
    if isinstance(value, list):
        return [with_results(item, results) for item in value]
    return value


def referring_to(value: Any, old: str, new: str) -> Any:
    """A payload whose references to step `old` point to step `new`."""
    if isinstance(value, Mapping):
        if set(value) == {RESULT_KEY}:
            return {RESULT_KEY: new if value[RESULT_KEY] == old else value[RESULT_KEY]}
        return {key: referring_to(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [referring_to(item, old, new) for item in value]
    return value


def readable(text: str, limit: int = MAX_RESULT_CHARS) -> str:
    """Text from outside as the database and JSON can hold it: no NUL, no lone surrogates."""
    clean = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def status_after(
    outcome: Literal["completed", "failed"],
    required: Iterable[str],
    done: Iterable[str],
    open_steps: int,
) -> TaskStatus:
    """Where a task stands after one of its steps ended, when no orchestrator ends it.

    With required skills it is completed once each has a completed step; without, once no step is
    open and the last one succeeded. It has failed when its last open step failed short of that.
    """
    needed, have = _alike(required), _alike(done)
    if needed and needed <= have:
        return "completed"
    if open_steps:
        return "in_progress"
    if outcome == "failed":
        return "failed"
    return "in_progress" if needed else "completed"


def _alike(skills: Iterable[str]) -> set[str]:
    """Skills as they are compared: however they are spaced and capitalised; nothing is none."""
    return {" ".join(skill.split()).casefold() for skill in skills} - {""}


_REFUSALS: dict[FailureReason, type[Refusal]] = {
    "agent_unreachable": BadAnswer,
    "agent_busy": Unavailable,
    "agent_too_slow": TooSlow,
    "agent_error": BadAnswer,
    "agent_refused_payload": Invalid,
    "agent_refused_price": PaymentRequired,
    "agent_unknown": NotFound,
    "not_covered": PaymentRequired,
    "payment_unavailable": Unavailable,
    "registry_unavailable": Unavailable,
    "dependency_failed": BadAnswer,
    "cancelled": Conflict,
}


def as_refusal(reason: FailureReason, error: str) -> Refusal:
    """The refusal that a caller gets who waited for a step that failed."""
    return _REFUSALS[reason](error)


def is_open(reason: FailureReason) -> bool:
    """Whether another try may go better: nobody decided anything, and nothing was paid."""
    return _REFUSALS[reason].code >= Refusal.code


def key_after(step_id: str, quote: Quote, reason: FailureReason) -> str | None:
    """The agent's Idempotency-Key for the try after one that failed; None for one of its own.

    Who gave no answer may have done the work, and is asked for it under the same key. Who answered
    that it failed may say so for ever under that key.
    """
    return None if reason == "agent_error" else quote.agent_key or step_id


def try_after(first: str, last: str) -> str:
    """The id of the try after the last one: that of the first with a number behind it."""
    return f"{first}-{2 if last == first else int(last.removeprefix(f'{first}-')) + 1}"
