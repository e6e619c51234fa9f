"""Waiting for the turns of conversations: who asked for which, and the event that ends it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from nats.aio.msg import Msg
from pydantic import ValidationError

from contracts import api
from contracts.chat import TurnCompleted
from contracts.errors import Unavailable
from gateway.faults import told

log = structlog.get_logger()

MOST_WAITING = 128
"""Requests that wait for the end of their turn at once."""
SUBJECT = f"bazaar.evt.{TurnCompleted.type}.*"


class TurnEnd(TurnCompleted):
    """The end of a turn, with the assistant's message as the UI reads it."""

    message: api.Message


class Turns:
    """The turns that requests in hand are waiting for."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        # Two may wait for one: who holds the claim of its key, and who held it before.
        self._waiting: dict[asyncio.Future[TurnEnd], str] = {}

    @property
    def waiting(self) -> int:
        """How many requests are waiting."""
        return len(self._waiting)

    @contextmanager
    def expect(self, turn_id: str) -> Iterator[asyncio.Future[TurnEnd]]:
        """Listen for the end of a turn, from before it is asked for until the block is left.

        Raises:
            Unavailable: so many wait that the turns of more would not end in time.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise Unavailable("Too many wait for the assistant already; try again in a moment.")
        ending: asyncio.Future[TurnEnd] = asyncio.get_running_loop().create_future()
        self._waiting[ending] = turn_id
        try:
            yield ending
        finally:
            del self._waiting[ending]

    async def heard(self, message: Msg) -> None:
        """Take a `turn.completed` event; turns that nobody here waits for are passed over."""
        if not self._waiting:
            return
        try:
            ended = TurnEnd.model_validate_json(message.data)
        except ValidationError as error:
            log.warning("event of another shape", subject=message.subject, error=told(error))
            return
        for ending, turn_id in self._waiting.items():
            if turn_id == ended.turn_id and not ending.done():
                ending.set_result(ended)
