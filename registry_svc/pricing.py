"""What an agent costs: its load, and what load makes of its price. No I/O."""

from decimal import Decimal

from contracts.base import MAX_AMOUNT, to_micro
from contracts.registry import AgentRepriced

MOST_LOAD = 10
SURGES = ((3, Decimal(1)), (7, Decimal("1.15")), (MOST_LOAD, Decimal("1.30")))
"""Up to this load, the base price is multiplied by that."""


def load_of(active: int, reported: int | None = None) -> int:
    """Concurrent tasks out of ten: ours, or what the agent reports (percent) when that is more.

    A price follows ours alone: what an agent says of its own load raises none.
    """
    tenths = ((reported or 0) + 5) // 10
    return min(max(active, tenths, 0), MOST_LOAD)


def dynamic_price(base: Decimal, load: int) -> Decimal:
    """BazaarBucks per call at a load of 0 to 10."""
    surge = next(factor for top, factor in SURGES if load <= top)
    return min(to_micro(base * surge), MAX_AMOUNT)


def repriced(agent_id: str, base: Decimal, was: int, load: int) -> AgentRepriced | None:
    """The event that a load of `was` became `load`; None when the price is the same at both."""
    price = dynamic_price(base, load)
    if price == dynamic_price(base, was):
        return None
    return AgentRepriced(agent_id=agent_id, load=load, base_price=base, dynamic_price=price)
