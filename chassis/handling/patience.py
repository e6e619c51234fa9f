"""How long a message waits for its next try, and what is a failure and what is not."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import structlog
from pydantic import ValidationError

from chassis.db.away import is_away, is_unstorable
from chassis.observability import metrics
from contracts.errors import Conflict, Invalid, NotFound, TooSlow, Unavailable

log = structlog.get_logger()

OUTAGE_DELAY_S = 5.0
"""The longest that a message waits between two looks for a database or service that is away."""


class Later(Exception):
    """Raised by a handler to have its message handled again after `delay_s`, then later.

    It is no failure, however often it is raised: the durable's patience bounds it. With `exactly`
    the delay is what somebody else asked for, and the message is not handled before.
    """

    GROWTH = 1.3

    def __init__(self, delay_s: float, why: str, *, exactly: bool = False) -> None:
        """Ask for another try in `delay_s` seconds."""
        super().__init__(why)
        self._delay_s = delay_s
        self._exactly = exactly

    def after(self, tries: int) -> float:
        """Seconds until the next try after the n-th."""
        if self._exactly:  # Who says "at once" again and again is not asked in a tight loop.
            return max(self._delay_s, _outage_delay_s(tries))
        return float(min(OUTAGE_DELAY_S, self._delay_s * self.GROWTH ** (min(tries, 50) - 1)))


class Unfinished(Exception):
    """Tries have ended without an outcome, and nobody knows why."""

    loggable = True


WAITING = (Later, Unavailable, TooSlow)
"""What is no fault of the message, nor of who handles it: somebody else is not ready."""
HOPELESS = (Invalid, NotFound, Conflict, ValidationError, Unfinished)
"""What another try cannot mend."""


def retry_delay_s(tries: int) -> float:
    """Seconds until the next try after the n-th failed: 0.2, 0.4, ... 30."""
    return float(min(30.0, 0.2 * 2 ** (min(max(1, tries), 10) - 1)))


def waiting_delay_s(error: Exception, tries: int) -> float:
    """Seconds until the next try after the n-th found somebody not ready."""
    return error.after(tries) if isinstance(error, Later) else _outage_delay_s(tries)


def _outage_delay_s(tries: int) -> float:
    return min(OUTAGE_DELAY_S, retry_delay_s(tries))


def is_hopeless(error: Exception) -> bool:
    """Whether another try cannot mend an error."""
    return isinstance(error, HOPELESS) or is_unstorable(error)


async def outlast(do: Callable[[], Awaitable[object]], service: str) -> None:
    """Do what needs the database of `service`, again and again while that is away."""
    for again in itertools.count(1):
        try:
            await do()
        except Exception as error:
            if not is_away(error):
                raise
            log.warning("database unreachable", attempt=again, error=error)
            metrics.DATABASE_WAITS.labels(service).inc()
        else:
            return
        await asyncio.sleep(_outage_delay_s(again))
