"""Counting of what somebody asked for, in windows of time that slide: the estimate of two counters.

A window is a stretch of the clock. What somebody asked in the one before counts by the part of it
that is still less than a window ago, as if it had come evenly. Each look is a few sums, however
many callers are known: decision 0051 says why that is ours.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MOST_NAMES = 100_000
"""Callers that are counted at once; for one more, who was first seen longest ago is forgotten."""


@dataclass(slots=True)
class _Counted:
    """What somebody asked for: in which window of the clock, in the one before, and in it."""

    window: int
    before: int = 0
    here: int = 0


class SlidingWindow:
    """Lets everybody have so much in so much time."""

    def __init__(
        self, most: int, seconds: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Let each have `most` in `seconds`; `now` is a clock in seconds."""
        self._most = most
        self._seconds = seconds
        self._now = now
        # In the order of their windows, so that what no longer counts is in front.
        self._known: OrderedDict[str, _Counted] = OrderedDict()

    def hit(self, name: str) -> bool:
        """Count one of somebody's; whether he may have it. Who may not, is not counted."""
        window, part = divmod(self._now() / self._seconds, 1)
        counted = self._in_window(name, int(window))
        if counted.before * (1 - part) + counted.here >= self._most:
            return False
        counted.here += 1
        return True

    def give_back(self, name: str) -> None:
        """Count one less of somebody's: the last was for nothing."""
        counted = self._known.get(name)
        if counted is not None and counted.here:
            counted.here -= 1

    def wait_s(self, name: str) -> float:
        """Seconds until somebody may have one again, if he asks for nothing meanwhile."""
        window, part = divmod(self._now() / self._seconds, 1)
        counted = self._in_window(name, int(window))
        free = self._most - counted.here
        if free <= 0:
            return (1 - part) * self._seconds
        if counted.before <= free:
            return 0.0
        return max(0.0, 1 - free / counted.before - part) * self._seconds

    def __len__(self) -> int:
        """How many are counted."""
        return len(self._known)

    def _in_window(self, name: str, window: int) -> _Counted:
        counted = self._known.get(name)
        if counted is None:
            self._tidy(window, MOST_NAMES - 1)
            counted = self._known[name] = _Counted(window)
        elif counted.window != window:
            counted.before = counted.here if counted.window == window - 1 else 0
            counted.window, counted.here = window, 0
            self._known.move_to_end(name)
            self._tidy(window, MOST_NAMES)
        return counted

    def _tidy(self, window: int, most: int) -> None:
        """Forget whose windows are over, and who is more than `most`."""
        while self._known:
            first, counted = next(iter(self._known.items()))
            if counted.window >= window - 1 and len(self._known) <= most:
                return
            del self._known[first]
