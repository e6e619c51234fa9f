"""Agents that are not to be called now: they asked for rest, gave no answers, or are full."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from math import ceil

from chassis.db.transaction import Transaction
from contracts.errors import Unavailable
from task_svc import store_places
from task_svc.domain import Quote

LONGEST_REST_S = 300.0
"""An agent that wants to be left alone for longer is asked again after this."""
MOST_RESTS = 10_000


class NotNow(Unavailable):
    """The agent is not to be called now; it was not called, and nothing was stored."""


class Restraint:
    """Who is left alone by this replica; it belongs to one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Leave nobody alone yet."""
        self._clock = clock
        self._rests: dict[str, float] = {}
        self._tried: set[str] = set()

    def rest(self, agent_id: str, wait_s: float) -> None:
        """Leave an agent alone that said so (its `Retry-After`)."""
        now = self._clock()
        if len(self._rests) >= MOST_RESTS:
            self._rests = {id_: until for id_, until in self._rests.items() if until > now}
        if len(self._rests) < MOST_RESTS:
            self._rests[agent_id] = now + min(wait_s, LONGEST_REST_S)

    def is_free(self, agent_id: str, quote: Quote) -> bool:
        """Whether a call of an agent counts as nothing, and goes through at once.

        That is so of an agent that neither rests nor has given no answers, and takes any number.
        """
        rests = self._rests.get(agent_id, 0.0) > self._clock()
        return not rests and quote.breaker == "closed" and quote.at_once is None

    @contextmanager
    def through(self, agent_id: str, quote: Quote) -> Iterator[None]:
        """Let a call through; of an agent whose breaker is half open, one at a time.

        Raises:
            NotNow: the agent rests, or its breaker is open, or it is being tried.
        """
        left = self._rests.get(agent_id, 0.0) - self._clock()
        if left > 0:
            raise NotNow(
                f"{quote.agent_name} wants to be left alone; try again in {ceil(left)} seconds.",
                wait_s=left,
            )
        self._rests.pop(agent_id, None)
        if quote.breaker == "closed":
            yield
            return
        if quote.retry_at and (left := (quote.retry_at - datetime.now(UTC)).total_seconds()) > 0:
            raise NotNow(
                f"{quote.agent_name} gave no answer to its last calls;"
                f" try again in {ceil(left)} seconds.",
                wait_s=left,
            )
        if agent_id in self._tried:
            raise NotNow(
                f"{quote.agent_name} gave no answer to its last calls and is being tried;"
                " try again in a moment."
            )
        self._tried.add(agent_id)
        try:
            yield
        finally:
            self._tried.discard(agent_id)


async def take_place(tx: Transaction, agent_id: str, quote: Quote) -> None:
    """Make sure that an agent may have one step more, before the step begins in this transaction.

    Raises:
        NotNow: it has in hand what its listing says that it takes at once.
    """
    if quote.at_once is None:
        return
    if await store_places.in_hand(tx.conn, agent_id) >= quote.at_once:
        raise NotNow(
            f"{quote.agent_name} takes {quote.at_once} calls at once, and has them;"
            " try again in a moment."
        )
