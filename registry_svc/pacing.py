"""How often agents are probed: as often as is wanted, and together no more often than may be."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

CATCH_UP = 1.25
"""How much faster than usual probes are made that could not be made in time."""
SAVED_S = 3.0
"""For so many seconds room is saved: a look lasts as long as the slowest agent that it asks."""


@dataclass(slots=True)
class Pacing:
    """What probes may cost, whatever the market's size.

    Attributes:
        every_s: seconds between two probes of an agent, where there are few.
        per_s: probes a second of the whole market, at most.
        agents: how many there are, as of some seconds ago.
        clock: seconds that only grow.
    """

    every_s: float
    per_s: float
    agents: int = 0
    clock: Callable[[], float] = time.monotonic
    _left: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin with all room that can be saved."""
        self._left, self._at = self._most, self.clock()

    @property
    def _most(self) -> float:
        return max(1.0, self.per_s * SAVED_S)

    @property
    def period_s(self) -> float:
        """Seconds between two probes of an agent that answers."""
        return max(self.every_s, self.agents / self.per_s)

    def room(self, at_most: int) -> int:
        """How many probes may begin now; those that are overdue do not all begin at once."""
        now = self.clock()
        more = (now - self._at) * self.per_s * CATCH_UP
        self._left, self._at = min(self._most, self._left + more), now
        return min(at_most, int(self._left))

    def spend(self, probes: int) -> None:
        """So many have begun."""
        self._left -= probes
