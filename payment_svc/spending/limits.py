"""Whether a credential may spend so much more: a pure rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Limits:
    """What a credential may spend, and what it has: BazaarBucks held and paid, less refunds.

    Attributes:
        most: in all; None for any.
        spent: in all so far, without what is asked for now.
        in_task: of the same task, with it.
        today: of the same day, with it.
    """

    most: Decimal | None
    per_task: Decimal | None
    per_day: Decimal | None
    agents: Sequence[str] | None
    expires_at: datetime | None
    closed: bool
    spent: Decimal
    in_task: Decimal
    today: Decimal


def why_not(limits: Limits, agent_id: str, amount: Decimal, now: datetime) -> str | None:
    """Why `amount` may not be set aside for a step of this agent, as a sentence; None if it may."""
    if limits.closed:
        return "This credential was revoked; it spends nothing more."
    if limits.expires_at is not None and limits.expires_at <= now:
        return "This credential has expired; it spends nothing more."
    if limits.agents is not None and agent_id not in limits.agents:
        return f"This credential may not pay the agent {agent_id}."
    if not amount:
        return None
    for most, spent, of in (
        (limits.most, limits.spent + amount, ""),
        (limits.per_task, limits.in_task, " for a task"),
        (limits.per_day, limits.today, " a day"),
    ):
        if most is not None and spent > most:
            left = max(Decimal(0), most - (spent - amount))
            return (
                f"This credential may spend {most.normalize():f} BazaarBucks{of}; "
                f"{left.normalize():f} are left, and {amount.normalize():f} are needed."
            )
    return None
