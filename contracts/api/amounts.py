"""Amounts as the UI gets them: JSON numbers."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field, PlainSerializer

from contracts.base import MAX_AMOUNT


def _number(amount: Decimal) -> float:
    return float(round(amount, 6))


Number = Annotated[
    Decimal,
    Field(ge=0, le=MAX_AMOUNT, decimal_places=6),
    PlainSerializer(_number, return_type=float),
]
"""An amount as a JSON number with at most six decimals: the UI cannot render a string."""

SumNumber = Annotated[
    Decimal,
    Field(ge=0, decimal_places=6),
    PlainSerializer(_number, return_type=float),
]
"""A `Number` added up over many movements: more than a single amount may be."""

SignedNumber = Annotated[
    Decimal,
    Field(decimal_places=6),
    PlainSerializer(_number, return_type=float),
]
"""A `Number` that may be negative."""
