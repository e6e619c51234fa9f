"""What the first move of a turn is decided by, read while the turn itself is being stored.

The order to think about a turn comes through the stream, after a commit. What was said before and
what the marketplace has is known earlier, and reading it takes about as long. Whoever stores a turn
begins to read; if the order comes to the same replica, it finds that done. It is only time that is
saved: where there is nothing, the order reads for itself.
"""

import asyncio
from typing import NamedTuple

import structlog

from chassis.bus.calls import Bus
from chassis.db.database import Database
from chassis.endings import end
from chat_svc import store
from chat_svc.marketplace import Offered, fitting
from chat_svc.recall import Past, recall
from chat_svc.settings import Settings
from contracts.envelope import Envelope

log = structlog.get_logger()
REMEMBERED = 5
"""Turns before this one whose words may say who is wanted: "the same in French"."""
FRESH_S = 2.0
"""What was read longer ago is read again, as quotes are in the task service."""
MOST = 8
"""Turns of which is read ahead at once: with more of them, nothing waits but for a processor."""


class Known(NamedTuple):
    """What was said before a turn, and who there is for it."""

    past: Past
    offered: list[Offered]


class Ahead:
    """What this replica reads of turns that it stores; it belongs to one event loop."""

    def __init__(self, db: Database, bus: Bus, settings: Settings) -> None:
        """Nothing is read yet."""
        self._db = db
        self._bus = bus
        self._settings = settings
        self._reading: dict[str, asyncio.Task[Known | None]] = {}

    def begin(self, turn: store.Found, here: Envelope) -> None:
        """Read for a turn that is just being stored."""
        if len(self._reading) < MOST:
            self._reading[turn.id] = asyncio.create_task(self._read(turn, here))
            asyncio.get_running_loop().call_later(FRESH_S, self.forget, turn.id)

    def forget(self, turn_id: str) -> None:
        """Read no more for a turn: it was not stored, or nobody came for it."""
        if reading := self._reading.pop(turn_id, None):
            reading.cancel()

    def take(self, turn_id: str) -> "asyncio.Task[Known | None] | None":
        """The reading for a turn, once, which comes to None when it failed; None without one."""
        return self._reading.pop(turn_id, None)

    async def close(self) -> None:
        """Stop reading."""
        reading = list(self._reading.values())
        self._reading.clear()
        await end(*reading)

    async def _read(self, turn: store.Found, here: Envelope) -> Known | None:
        try:
            async with self._db.transaction(reads=True) as tx:
                past = await recall(tx.conn, turn, self._settings)
            return Known(past, await offered_for(self._bus, here, turn, past))
        except Exception as error:  # noqa: BLE001  (whoever comes for it reads again, and says why)
            log.info("not read ahead", turn_id=turn.id, error=error)
            return None


async def offered_for(bus: Bus, here: Envelope, turn: store.Found, past: Past) -> list[Offered]:
    """What the marketplace has for a turn.

    Raises:
        Refusal: the registry cannot be asked.
    """
    texts = [turn.content, *(one.said for one in reversed(past.history[-REMEMBERED:]))]
    named = [choice.agent_id for call in past.calls if call.work for choice in call.work.choices]
    return await fitting(bus, here, texts, named)
