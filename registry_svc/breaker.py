"""The breaker of an agent: who does not answer its calls is not called for a while. No I/O.

It is made of what the registry counts anyway, so all replicas of all services see one state, and
it is there after a restart. What an agent answers, even a failure, is no reason: then a buyer with
a bad payload could take a competitor off the market.
"""

from datetime import datetime, timedelta

from contracts.registry import Breaker
from contracts.task import FailureReason

SILENCES: frozenset[FailureReason] = frozenset(("agent_unreachable", "agent_too_slow"))
"""Failures of an agent that gave no answer."""
OPENS_AT = 5
"""Calls without an answer since the last one that was done; a failure that was answered in between
does not count, and does not set the count back."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 10.0, 300.0
_MOST_DOUBLED = 10


def pause_s(silent: int) -> float:
    """How long an agent is left alone; twice as long for each further `OPENS_AT` calls."""
    if silent < OPENS_AT:
        return 0.0
    doubled: int = 2 ** min(silent // OPENS_AT - 1, _MOST_DOUBLED)
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * doubled)


def breaker(
    silent: int, silent_at: datetime | None, now: datetime
) -> tuple[Breaker, datetime | None]:
    """The state of a breaker, and when it opens for a trial.

    Args:
        silent: calls without an answer since the last one that was done.
        silent_at: when the last of them ended.
        now: the moment.

    Returns:
        `closed`; `open`, until the moment beside it; or `half_open`: the pause is over, and a call
        that is done closes it, one without an answer opens it again.
    """
    if silent < OPENS_AT or silent_at is None:
        return "closed", None
    until = silent_at + timedelta(seconds=pause_s(silent))
    return ("open", until) if now < until else ("half_open", None)
