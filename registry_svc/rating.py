"""What calls say of an agent to who pays for them, and the stars that come of it. No I/O."""

from dataclasses import dataclass
from decimal import Decimal

from contracts.task import OWN_FAULTS, FailureReason

MOST_STARS = 5
PRIOR_STARS = Decimal("4.5")
PRIOR_BUYERS = 5
"""A new agent is rated as if so many buyers had given it `PRIOR_STARS` on average."""
STEADY = 4
"""A buyer's opinion counts half of the most that it can after so many calls."""
BUSY_SHARE = Decimal("0.25")
"""Saying "busy" counts as this much of a failure: it is honest, and the price says so too."""
OVERBILLED_STARS = 1
"""What work is worth whose bill was above what was agreed on."""
RATED_SHARE = 5
"""The stars that a payer gives for a task count as so many calls."""
NOBODY = ""
"""Whose opinion all calls are together that cost nothing: they may come from anybody."""
REFUSING: frozenset[FailureReason] = frozenset(("agent_busy", "agent_refused_price"))
"""Failures by which an agent says that it does not take the work."""
SIXTH = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What calls say of an agent, to who pays for them; outcomes add up in any order.

    Attributes:
        calls: how many; some count as less than one, some as more.
        stars: their sum, 0 to 5 for each.
        paid: how many were paid for.
    """

    calls: Decimal = Decimal(0)
    stars: Decimal = Decimal(0)
    paid: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        """Both together."""
        return Outcome(self.calls + other.calls, self.stars + other.stars, self.paid + other.paid)

    def __sub__(self, other: "Outcome") -> "Outcome":
        """What is left without the other."""
        return Outcome(self.calls - other.calls, self.stars - other.stars, self.paid - other.paid)

    def counted(self) -> tuple[Decimal, Decimal]:
        """What one buyer's outcomes add to an agent's rating: stars, and by what they are divided.

        The mean of the stars, times a weight that comes near to one with the number of calls and
        never reaches it: who calls a thousand times counts as one buyer.
        """
        over = self.calls + STEADY
        return (self.stars / over).quantize(SIXTH), (self.calls / over).quantize(SIXTH)


def rating(opinions: Decimal, weight: Decimal) -> Decimal:
    """0 to 5 stars, two decimals: the mean of what buyers think, started from `PRIOR_STARS`.

    Each buyer counts once, however often they call (`Outcome.counted`); the owner's own calls do
    not count at all, and those that cost nothing count as one buyer's together. A call that is done
    and paid is five stars, one that was billed above what was agreed on is one, one that failed by
    the agent's fault (also because it was too late) or was given back to its payer is none; being
    busy or refusing the price is a quarter of a failure. What the payer says of a task counts as
    five calls.

    Args:
        opinions: the sum of what buyers' outcomes add.
        weight: the sum of by what that is divided.
    """
    stars = PRIOR_STARS * PRIOR_BUYERS + max(opinions, Decimal(0))
    return min(
        (stars / (PRIOR_BUYERS + max(weight, Decimal(0)))).quantize(Decimal("0.01")),
        Decimal(MOST_STARS),
    )


def done(*, paid: bool, overbilled: bool) -> Outcome:
    """What a call says that was done."""
    return Outcome(Decimal(1), Decimal(OVERBILLED_STARS if overbilled else MOST_STARS), int(paid))


def undone(reason: FailureReason, *, started: bool) -> Outcome | None:
    """What a call says that came to nothing; None when that was not for the agent's sake."""
    if started and reason in OWN_FAULTS:
        return Outcome(Decimal(1))
    return Outcome(BUSY_SHARE) if started and reason in REFUSING else None


GIVEN_BACK = Outcome(Decimal(1))
"""What a call says that was given back to its payer."""


def rated(stars: int) -> Outcome:
    """What the stars say that a payer gave for a task."""
    return Outcome(Decimal(RATED_SHARE), Decimal(RATED_SHARE * stars))
