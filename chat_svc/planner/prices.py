"""Chooses agents so that their prices fit a budget, and says whose price is worth negotiating."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from chat_svc.planner.match import Match, price
from chat_svc.planner.steps import Draft
from contracts.base import MICRO

LEAST_SHARE = Decimal("0.5")
"""The share of its price below which an agent is not asked to go: nobody would agree."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The agent for a step.

    Attributes:
        max_offer: BazaarBucks that it may be offered at most; None when its price is taken as it
            is.
    """

    match: Match
    max_offer: Decimal | None = None


def total(matches: Sequence[Match]) -> Decimal:
    """What the agents ask for together."""
    return sum((price(match.agent) for match in matches), Decimal(0))


def choose(steps: Sequence[Draft], budget: Decimal) -> list[Chosen] | None:
    """The best agents that fit the budget, some of them perhaps only at a lower price.

    Returns:
        An agent for each step; None when the budget is too small for any.
    """
    for matches in _ways(steps):
        if sum(map(_least, matches), Decimal(0)) <= budget:
            return [
                Chosen(match, _max_offer(step, match, matches, budget))
                for step, match in zip(steps, matches, strict=True)
            ]
    return None


def cheapest(steps: Sequence[Draft]) -> list[Match]:
    """The cheapest agent of each step that may be chosen."""
    return [min(_usable(step), key=lambda match: price(match.agent)) for step in steps]


def _ways(steps: Sequence[Draft]) -> Iterator[list[Match]]:
    yield [step.matches[0] for step in steps]
    yield cheapest(steps)
    yield [min(_usable(step), key=_least) for step in steps]


def _usable(step: Draft) -> list[Match]:
    if step.by_name:
        return [step.matches[0]]
    return [match for match in step.matches if match.agent.available]


def _least(match: Match) -> Decimal:
    """What the agent may come down to."""
    asked = price(match.agent)
    return asked * LEAST_SHARE if match.agent.negotiable else asked


def _max_offer(
    step: Draft, match: Match, matches: Sequence[Match], budget: Decimal
) -> Decimal | None:
    """The most to offer an agent, so that with such offers the whole plan fits the budget."""
    asked = price(match.agent)
    if not match.agent.negotiable:
        return None
    over = total(matches) - budget
    if over > 0:
        open_ = total([one for one in matches if one.agent.negotiable])
        asked -= asked * over / open_
    elif not _is_dear(step, match):
        return None
    return asked.quantize(MICRO, rounding=ROUND_DOWN) or None


def _is_dear(step: Draft, match: Match) -> bool:
    """Whether another agent with the skill asks for less, or none is there to compare with."""
    peers = [
        price(other.agent)
        for other in step.matches
        if other.tier == 0 and other.agent.available and other.agent.id != match.agent.id
    ]
    return not peers or price(match.agent) > min(peers)
