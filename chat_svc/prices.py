"""What a language model costs, in US dollars, by its provider's list prices.

Source: Anthropic's page "Pricing" (platform.claude.com, About Claude), as listed in October 2026.
Change a price here, with the date.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from chat_svc.orchestrator import Tokens
from contracts.base import to_micro
from contracts.chat import LlmUse

MILLION = Decimal(1_000_000)
CACHE_WRITE = Decimal("1.25")
"""What writing into the cache costs for five minutes, as a multiple of plain input."""
LONG_HAIKU = 100_000
"""Input tokens of a move above which Haiku 5.5 costs more."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    input: Decimal
    output: Decimal
    cached: Decimal


def _price(input_: str, output: str, cached: str) -> Price:
    return Price(Decimal(input_), Decimal(output), Decimal(cached))


PRICES = {
    "claude-fable-5-1": _price("10", "50", "0.25"),
    "claude-fable-5": _price("10", "50", "1"),
    "claude-opus-5-5": _price("4", "20", "0.20"),
    "claude-opus-5": _price("5", "25", "0.50"),
    "claude-opus-4-8": _price("5", "25", "0.50"),
    "claude-opus-4-7": _price("5", "25", "0.50"),
    "claude-opus-4-6": _price("5", "25", "0.50"),
    "claude-opus-4-5": _price("5", "25", "0.50"),
    "claude-sonnet-5-5": _price("2", "10", "0.10"),
    "claude-sonnet-5": _price("2", "10", "0.20"),
    "claude-sonnet-4-6": _price("3", "15", "0.30"),
    "claude-sonnet-4-5": _price("3", "15", "0.30"),
    "claude-haiku-5-5": _price("0.10", "0.50", "0.01"),
    "claude-haiku-4-5": _price("1", "5", "0.10"),
}
_LONG = {"claude-haiku-5-5": _price("0.50", "2.50", "0.05")}
_DATED = re.compile(r"-(\d{8}|latest)$")


def price_of(model: str, input_tokens: int = 0) -> Price | None:
    """The price of a model, for a move with so much input; None when it is not known."""
    name = _DATED.sub("", model)
    if input_tokens > LONG_HAIKU and name in _LONG:
        return _LONG[name]
    return PRICES.get(name)


def usage(moves: Iterable[Tokens], otherwise: Price) -> LlmUse | None:
    """What the language model used in a turn; None when it had no part in it.

    Args:
        moves: those that a model made.
        otherwise: for a model whose price is not known.
    """
    made = list(moves)
    if not made:
        return None
    usd, estimated = Decimal(0), False
    for move in made:
        price = price_of(move.model, move.input)
        estimated |= price is None
        price = price or otherwise
        fresh = max(0, move.input - move.cached - move.written)
        usd += (fresh + move.written * CACHE_WRITE) * price.input
        usd += move.cached * price.cached + move.output * price.output
    return LlmUse(
        model=made[-1].model,
        input=sum(move.input for move in made),
        output=sum(move.output for move in made),
        cached=sum(move.cached for move in made),
        written=sum(move.written for move in made),
        usd=to_micro(usd / MILLION),
        estimated=estimated,
    )
