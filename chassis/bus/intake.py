"""Whether the streams take what is sent to them: each may be full, and so may be their disk."""

import time
from collections.abc import Callable, Iterable

import structlog

from contracts.errors import Unavailable

log = structlog.get_logger()

BELIEVED_S = 15.0
"""A refusal counts for so long unless the stream takes something; the relay tries more often."""
FULL = "The message bus has no room for what this would begin. Try again in a while."


class Intake:
    """What came of the last messages to each stream, as this process has seen it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing was refused yet."""
        self._clock = clock
        self._refused: dict[str, float] = {}

    @property
    def full(self) -> list[str]:
        """The streams that take nothing now."""
        since = self._clock() - BELIEVED_S
        return [stream for stream, at in self._refused.items() if at > since]

    def took(self, stream: str) -> None:
        """A message was stored."""
        if self._refused.pop(stream, None) is not None:
            log.info("stream takes messages again", stream=stream)

    def refused(self, stream: str, error: Exception) -> None:
        """A message was not stored, though the bus was there."""
        if stream not in self._refused:
            log.error("stream takes no messages", stream=stream, error=error)
        self._refused[stream] = self._clock()

    def check(self, streams: Iterable[str]) -> None:
        """Make sure that messages can leave for these streams.

        Raises:
            Unavailable: one of them takes nothing now.
        """
        if self._refused and not set(streams).isdisjoint(self.full):
            raise Unavailable(FULL)
