"""What a language model says, told to whoever listens while it says it, and kept by nobody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from nats.errors import Error as NatsError

from chassis.bus.calls import Bus
from chassis.bus.envelopes import enclose
from chassis.endings import end
from chat_svc.orchestrator import Say
from contracts.chat import TurnStreamed
from contracts.envelope import Envelope

log = structlog.get_logger()

TOGETHER_S = 0.1
"""Pieces that come within this time are one event."""
MOST_CHARS = 100_000


class _Voice:
    """One move's words: those that were published, and those that wait for company."""

    def __init__(self, bus: Bus, here: Envelope, turn_id: str, task_id: str, round_: int) -> None:
        self._bus = bus
        self._here = here
        self._about = {"turn_id": turn_id, "task_id": task_id, "round": round_}
        self._offset = 0
        self._waiting = ""
        self._more = asyncio.Event()

    async def say(self, text: str) -> None:
        self._waiting += text
        self._more.set()

    async def tell(self) -> None:
        """Publish what is said, for as long as something is."""
        while True:
            await self._more.wait()
            self._more.clear()
            await asyncio.sleep(TOGETHER_S)
            await self.flush()

    async def flush(self) -> None:
        """Publish what waits; what cannot be published is not said again."""
        while self._waiting:
            piece, self._waiting = self._waiting[:MOST_CHARS], self._waiting[MOST_CHARS:]
            event = TurnStreamed.model_validate(
                self._about | {"offset": self._offset, "text": piece}
            )
            self._offset += len(piece)
            sent = enclose(event, "chat", self._here, None)
            try:
                client = await self._bus.client()
                if not client.is_connected:
                    continue  # It would be kept and told late, in the midst of what is said then.
                await client.publish(sent.subject, sent.body, headers=sent.headers)
            except (NatsError, OSError) as error:
                log.warning("words not told", turn_id=event.turn_id, error=error)


@asynccontextmanager
async def speaking(
    bus: Bus, here: Envelope, turn_id: str, task_id: str, round_: int
) -> AsyncIterator[Say]:
    """Something to say a move's words to; they are published at most once, a few at a time."""
    voice = _Voice(bus, here, turn_id, task_id, round_)
    telling = asyncio.create_task(voice.tell())
    try:
        yield voice.say
    finally:
        await end(telling)
        await voice.flush()
