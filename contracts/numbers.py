"""JSON's numbers: read as they were written, or refused."""

import json
import math
import re
from decimal import Decimal

CERTAIN = 16
"""A text of so many characters without an exponent has at most 15 digits; a double keeps these."""
SHOWN = 40
_PERHAPS = re.compile(rb"[0-9.]{%d}|[0-9][eE]" % (CERTAIN + 1))
"""In a body without this, every number is certain."""


def exact(text: str) -> float:
    """The number that a JSON text with a point or an exponent stands for.

    A double keeps 15 digits and often more. What it keeps is written again as the same number,
    if not with the same characters (`1.10` as 1.1); anything else would become another number.

    Raises:
        ValueError: a double cannot keep it; the sentence says which number.
    """
    number = float(text)
    if len(text) <= CERTAIN and "e" not in text and "E" not in text:
        return number
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    if not math.isfinite(number):
        raise ValueError(f"the number {shown} is too large")
    if _is_zero(text) if number == 0 else Decimal(text) == Decimal(repr(number)):
        return number
    raise ValueError(f"the number {shown} cannot be kept as it is; send it as a text")


def check(body: bytes) -> None:
    """Look at the numbers of a JSON body.

    Raises:
        ValueError: one of them would become another number, or it is no JSON at all.
    """
    if _PERHAPS.search(body):
        json.loads(body, parse_float=exact)


def _is_zero(text: str) -> bool:
    return not any(digit in text.lower().partition("e")[0] for digit in "123456789")
