"""Room for steps in this replica: for how many at once, and of one agent or account."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chassis.db.transaction import Transaction
from task_svc.beginning import Begun
from task_svc.rows import Step
from task_svc.settings import Settings
from task_svc.shares import Shares


class Places:
    """The places of this replica; they belong to one event loop.

    A call that somebody waits for takes none: those are limited elsewhere.
    """

    def __init__(self, settings: Settings) -> None:
        """All of them are free; how many, and of whom, is what `settings` say."""
        self._free = settings.running_steps
        self._shares = Shares(settings)

    @property
    def free(self) -> int:
        """How many are free."""
        return self._free

    def full(self) -> tuple[list[str], list[str]]:
        """The agents and the accounts that have their share."""
        return self._shares.full()

    def take(self, agent_id: str, account: str) -> bool:
        """Take one for a step of an agent and an account; whether that is within their shares."""
        if not self._shares.has_room(agent_id, account):
            return False
        self._shares.enter(agent_id, account)
        self._free -= 1
        return True

    def leave(self, agent_id: str, account: str) -> None:
        """Give one back."""
        self._shares.leave(agent_id, account)
        self._free += 1

    @contextlib.contextmanager
    def kept(self, number: int) -> Iterator[None]:
        """Keep so many from others, while it is found out for which steps they are."""
        self._free -= number
        try:
            yield
        finally:
            self._free += number


@dataclass(slots=True)
class Place:
    """A place for one step, taken for as long as a transaction is open.

    Attributes:
        owner: who runs the step.
        lease_s: how many seconds its lease is.
    """

    owner: str
    lease_s: float
    _tx: Transaction
    _run: Callable[[Step, Begun | None], None]
    _leave: Callable[[], None]
    _is_taken: bool = True

    def __post_init__(self) -> None:
        """Give it back if the transaction is not committed."""
        self._tx.otherwise(self.leave)

    def runs(self, step: Step, begun: Begun | None) -> None:
        """Have the step run here once the transaction is committed."""

        def start() -> None:
            self._is_taken = False
            self._run(step, begun)

        self._tx.then(start)

    def leave(self) -> None:
        """Give it back: nothing was taken for it."""
        if self._is_taken:
            self._is_taken = False
            self._leave()
