"""How much of this replica one agent and one account may have at once.

An agent may take as long as its time-out allows, and whoever waits for it holds a place. Without
shares, one account that calls slow agents would hold all places, and everybody else would wait.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator

from contracts.errors import Unavailable
from task_svc.settings import Settings


class Shares:
    """What is under way by agent and by account; it belongs to one event loop."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is under way; the most is what `settings` say."""
        self._per_agent = settings.agent_calls
        self._per_account = settings.account_calls
        self._agents: Counter[str] = Counter()
        self._accounts: Counter[str] = Counter()

    @contextlib.contextmanager
    def calling(self, agent_id: str, account: str) -> Iterator[None]:
        """Count a call for as long as it is under way.

        Raises:
            Unavailable: the agent or the account has its share under way; nothing was done.
        """
        if self._agents[agent_id] >= self._per_agent:
            raise Unavailable(_full("The agent has", self._per_agent))
        if self._accounts[account] >= self._per_account:
            raise Unavailable(_full("Your account has", self._per_account))
        self.enter(agent_id, account)
        try:
            yield
        finally:
            self.leave(agent_id, account)

    def has_room(self, agent_id: str, account: str) -> bool:
        """Whether one more of this agent and this account is within both shares."""
        return (
            self._agents[agent_id] < self._per_agent and self._accounts[account] < self._per_account
        )

    def full(self) -> tuple[list[str], list[str]]:
        """The agents and the accounts that have their share under way."""
        return (
            [id_ for id_, count in self._agents.items() if count >= self._per_agent],
            [id_ for id_, count in self._accounts.items() if count >= self._per_account],
        )

    def enter(self, agent_id: str, account: str) -> None:
        """Count one more."""
        self._agents[agent_id] += 1
        self._accounts[account] += 1

    def leave(self, agent_id: str, account: str) -> None:
        """Count one less; whoever has nothing under way is forgotten."""
        for counts, id_ in ((self._agents, agent_id), (self._accounts, account)):
            counts[id_] -= 1
            if not counts[id_]:
                del counts[id_]


def _full(who_has: str, most: int) -> str:
    return f"{who_has} {most} calls under way already; try again in a moment."
