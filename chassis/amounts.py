"""Amounts as strangers write them in JSON: numbers, or texts that can be read in one way only."""

import re
from typing import Any

_PLAIN = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)


def plain_amount(said: Any) -> Any:
    """What a Decimal can be made of: a whole number, or the text of a number.

    A float becomes the text that JSON shows of it: 0.1 is 0.1.

    Raises:
        ValueError: a boolean, or a text with anything but digits, a point, a sign and a short
            exponent: Decimal itself would also read underscores, blanks and all scripts' digits.
    """
    if isinstance(said, bool):
        raise ValueError("a truth value is no amount")  # noqa: TRY004  (Pydantic's way to say so)
    if isinstance(said, float):
        return str(said)
    if isinstance(said, str) and not _PLAIN.fullmatch(said):
        raise ValueError("an amount is written in digits, such as 0.25")
    return said
