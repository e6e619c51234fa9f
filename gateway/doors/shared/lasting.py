"""Work that goes on when whoever asked for it hung up: money is set aside, and the key is claimed.

What comes of it is kept under its key, or is in its task, for whoever asks again at any gateway.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Self

from chassis.endings import end


class Lasting:
    """What is under way at a door; as much as the API lets in at once."""

    def __init__(self) -> None:
        """Nothing is under way yet."""
        self._running: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Wait for no answer any more; the services go on with what they have."""
        await end(*self._running)

    async def done(self, work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
        """What comes of some work, which goes on when whoever waits for it is cancelled."""
        return await asyncio.shield(self.begin(work))

    def begin(self, work: Coroutine[Any, Any, dict[str, Any]]) -> asyncio.Task[dict[str, Any]]:
        """Begin some work; to cancel the task that it is done in would end it."""
        running = asyncio.create_task(work)
        self._running.add(running)
        running.add_done_callback(self._ended)
        return running

    def _ended(self, running: asyncio.Task[Any]) -> None:
        self._running.discard(running)
        if not running.cancelled():
            running.exception()  # Whoever waits has it; who hung up does not want it.
