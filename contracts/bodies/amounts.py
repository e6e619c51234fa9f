"""Amounts as callers may write them: a number or its digits."""

from decimal import Decimal
from typing import Annotated

from pydantic import WithJsonSchema

from contracts.base import MAX_AMOUNT, MICRO, Money
from contracts.cards import CENT, MOST_BY_CARD, Cents
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
