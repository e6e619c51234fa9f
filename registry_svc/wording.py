"""What a listing may say: strangers write it, and people and models read it."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter, ValidationError

from chassis.observability.terminal import SHAPING, is_name, plain
from contracts.base import Money
from contracts.errors import Invalid
from contracts.registry import Billing
from registry_svc.agents_http import storable
from registry_svc.words import folded

IN_DESCRIPTIONS = f"\n\t\u200c\u200d{SHAPING}"
"""Lines, what joins letters and pictures and what gives them their form; a name has none of it, so
that it looks like no other."""
RESERVED = frozenset({"choose", "import", "language-model"})
"""Ids that mean something else: addresses of the API, and who is paid for the language model."""
MOST_WORD = 100
"""Characters of one skill or capability."""
_MONEY: TypeAdapter[Decimal] = TypeAdapter(Money)
SEEN = "A name, skill or capability is seen: no control or invisible characters."


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a listing as they can be stored; those that are None are left out.

    Raises:
        Invalid: a text cannot be stored, a word is too long, or a schema too large.
    """
    found = {name: value for name, value in given.items() if value is not None}
    for name in {"skills", "capabilities"} & found.keys():
        found[name] = words(found[name])
    if found.get("skills") == []:
        raise Invalid("An agent needs at least one skill.")
    names = [*found.get("skills", []), *found.get("capabilities", [])]
    names += [found[name] for name in ("name", "tool") if name in found]
    if not all(map(is_name, names)):
        raise Invalid(SEEN)
    if plain(text := found.get("description", ""), keep=IN_DESCRIPTIONS) != text:
        raise Invalid("A description has no control or invisible characters.")
    if "input_schema" in found and not storable(found["input_schema"]):
        raise Invalid("The input schema is too large, or has a NUL in it.")
    if "base_price" in found:
        found["base_price"] = _price(found["base_price"])
    return found


def words(given: Iterable[str]) -> list[str]:
    """Skills or capabilities, trimmed, without blanks and repeats, in the order given.

    Raises:
        Invalid: one is longer than `MOST_WORD`.
    """
    found = list(dict.fromkeys(word.strip() for word in given if word.strip()))
    if any(len(word) > MOST_WORD for word in found):
        raise Invalid(f"A skill or capability has at most {MOST_WORD} characters.")
    return found


def _price(said: Any) -> Any:
    try:
        return _MONEY.validate_python(said)
    except ValidationError:
        raise Invalid("A price is 0 to 1,000,000 BazaarBucks, with at most six decimals.") from None


def is_tolerant(billing: Billing) -> bool:
    """Whether a bill may be above its quote; a stranger may declare a formula, and not that."""
    return billing.tolerance is not None and billing.tolerance > 1


def tidy(text: str) -> str:
    """A description without what would make it refused."""
    return plain(text.replace("\r\n", "\n"), keep=IN_DESCRIPTIONS)


def slug(text: str, longest: int) -> str:
    """An id made of a text: letters and digits without accents, joined by hyphens."""
    found = re.findall(r"[a-z0-9]+", folded(text), re.ASCII)
    return "-".join(found)[:longest].strip("-") or "agent"
