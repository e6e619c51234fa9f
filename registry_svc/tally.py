"""What events add to an agent's counters, and how they are put right. No I/O."""

from dataclasses import dataclass
from decimal import Decimal

from contracts.task import OWN_FAULTS, FailureReason
from registry_svc.breaker import SILENCES
from registry_svc.rating import Outcome


@dataclass(frozen=True, slots=True)
class Tally:
    """What an event adds to an agent's counters. Tallies add up to the same in any order."""

    active: int = 0
    jobs_completed: int = 0
    response_ms: int = 0
    faults: int = 0
    busy: int = 0
    silent: int = 0
    opinions: Decimal = Decimal(0)
    opinion_weight: Decimal = Decimal(0)
    unique_buyers: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(
            self.active + other.active,
            self.jobs_completed + other.jobs_completed,
            self.response_ms + other.response_ms,
            self.faults + other.faults,
            self.busy + other.busy,
            self.silent + other.silent,
            self.opinions + other.opinions,
            self.opinion_weight + other.opinion_weight,
            self.unique_buyers + other.unique_buyers,
        )


STARTED = Tally(active=1)


def thought(now: Outcome, more: Outcome) -> Tally:
    """By how much an agent's rating moves when a buyer's outcomes have become `now` by `more`."""
    stars, weight = now.counted()
    stars_before, weight_before = (now - more).counted()
    is_new = now.paid > 0 and now.paid == more.paid
    return Tally(
        opinions=stars - stars_before,
        opinion_weight=weight - weight_before,
        unique_buyers=int(is_new),
    )


def put_right(active: int, running: int, under_way: int) -> int:
    """How many steps an agent has in hand, by what is certain.

    Args:
        active: as events were counted.
        running: as the task service counts them.
        under_way: events that may be on their way; so far apart both can be in good order.
    """
    off = running - active
    beyond = max(0, abs(off) - under_way)
    return active + (beyond if off > 0 else -beyond)


def completed(execution_time: int) -> Tally:
    """A step done in `execution_time` ms."""
    return Tally(active=-1, jobs_completed=1, response_ms=execution_time)


def failed(reason: FailureReason, *, started: bool) -> Tally | None:
    """A failed step; None when it was never started, and so says nothing about the agent."""
    if not started:
        return None
    return Tally(
        active=-1,
        faults=int(reason in OWN_FAULTS),
        busy=int(reason == "agent_busy"),
        silent=int(reason in SILENCES),
    )


def mean_ms(response_ms: int, jobs_completed: int) -> int:
    """Mean response time in whole milliseconds, at least 1; 0 before the first job."""
    return max(1, round(response_ms / jobs_completed)) if jobs_completed else 0
