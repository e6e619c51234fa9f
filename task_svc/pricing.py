"""What a call is promised to cost, and what of a bill is paid. No I/O.

A promise is made of the agent's listing, its load of that moment, what was agreed on with it, and
the size of the payload. Whatever an agent bills, and whatever it buys, no more is paid.
"""

from collections.abc import Iterator, Mapping
from decimal import ROUND_UP, Decimal
from typing import Any

from contracts.base import MAX_AMOUNT, MICRO
from contracts.registry import Billing
from task_svc.domain import Quote, Split, charge
from task_svc.promise import Promise, rounded_down

MAX_DIGITS = 12
"""Digits of a number in a payload that is looked at: no more are of any amount."""


def promise_of(quote: Quote, payload: Mapping[str, Any], tolerance: Decimal) -> Promise | None:
    """What a call with this payload may cost.

    The quote is never below what the listed formula comes to, however that is rounded.

    Args:
        quote: what the registry says of the agent, and what was agreed on with it.
        payload: as the agent gets it.
        tolerance: of agents that declare no formula, or no tolerance of their own.

    Returns:
        None when the registry is of a release that does not know how agents bill.
    """
    if quote.agreed is not None:
        price = quote.agreed.price
        return Promise(work=price, most=price, fair=price)
    billing = quote.billing
    if billing is None:
        return None
    top = MAX_AMOUNT if billing.ceiling is None else billing.ceiling
    work = min(top, charge(_bill(quote.base_price, billing, payload), quote))
    purchases = min(top - work, _up(billing.purchases * how_many(billing, payload)))
    if is_formula(billing) and billing.tolerance is not None:
        tolerance = billing.tolerance
    most = min(top, rounded_down((work + purchases) * tolerance))
    return Promise(work=work, purchases=purchases, tolerance=tolerance, most=most, fair=most)


def at_the_ceiling(billing: Billing) -> Promise | None:
    """What any call of an agent may cost, whatever its payload; None without a ceiling."""
    if billing.ceiling is None:
        return None
    bought = min(billing.ceiling, _up(billing.purchases * how_many(billing, {})))
    work = billing.ceiling - bought
    return Promise(work=work, purchases=bought, most=billing.ceiling, fair=billing.ceiling)


def is_formula(billing: Billing) -> bool:
    """Whether a listing says how a bill follows from the payload, beyond a price."""
    return billing.mode == "by_size" or billing.purchases > 0


def _bill(base_price: Decimal, billing: Billing, payload: Mapping[str, Any]) -> Decimal:
    """What the listed formula comes to, without the load; rounded up, as an agent may do."""
    if billing.mode == "fixed":
        return base_price
    return min(MAX_AMOUNT, _up(base_price + billing.per_thousand * size_of(payload) / 1000))


def size_of(payload: Mapping[str, Any]) -> int:
    """Characters (code points) of all texts in a payload, without the names of its fields."""
    return sum(len(text) for text in _texts(payload))


def _texts(payload: Mapping[str, Any]) -> Iterator[str]:
    left: list[Any] = [payload]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)


def how_many(billing: Billing, payload: Mapping[str, Any]) -> int:
    """How many purchases a payload asks for; as many as the listing says when it does not."""
    if billing.purchases_of is None:
        return 1
    said = payload.get(billing.purchases_of)
    if isinstance(said, str) and said.isascii() and said.isdecimal() and len(said) <= MAX_DIGITS:
        said = int(said)
    if isinstance(said, float) and said.is_integer():
        said = int(said)
    if isinstance(said, bool) or not isinstance(said, int) or said < 0:
        return billing.purchases_default
    return min(said, int(MAX_AMOUNT))


def most_of(promise: Promise | None, max_price: Decimal | None) -> Decimal | None:
    """What a step may cost at most: what is promised, or less when its caller allows less."""
    if promise is None:
        return max_price
    return promise.most if max_price is None else min(promise.most, max_price)


def paid(held: Decimal, cost: Decimal, external: Decimal, promise: Promise | None) -> Split:
    """Cut a bill to what is held and promised: the agent's work first, then what it bought.

    Args:
        held: what is set aside for the step.
        cost: what the agent asks for its work.
        external: what it asks for what it bought.
        promise: None of a step that began in a release without promises.
    """
    most, most_work = (held, held) if promise is None else (promise.most, promise.most_work)
    work = min(cost, held, most_work)
    return Split(work, min(external, min(held, most) - work))


def is_overbilled(billed: Decimal, promise: Promise | None) -> bool:
    """Whether an agent asked for more than its listing, or what was agreed on, lets it."""
    return promise is not None and billed > promise.fair


def _up(amount: Decimal) -> Decimal:
    return min(MAX_AMOUNT, amount.quantize(MICRO, rounding=ROUND_UP))
