"""Messages in work: so many at once, each in a task of its own; the next ones wait."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from nats.aio.msg import Msg

from chassis.endings import end

log = structlog.get_logger()


class Workers:
    """The tasks of one subscriber."""

    def __init__(self, work: Callable[[Msg], Awaitable[object]], most: int) -> None:
        """Have `most` messages worked on at once."""
        self._work = work
        self._free = asyncio.Semaphore(most)
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, raw: Msg) -> None:
        """Begin to work on a message, as soon as there is room."""
        await self._free.acquire()
        task = asyncio.create_task(self.handle(raw))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def handle(self, raw: Msg) -> None:
        """Work on a message, beside those that were taken."""
        try:
            await self._work(raw)
        except Exception as error:  # noqa: BLE001  (the bus delivers it again; who asked is told)
            log.warning("message not settled", subject=raw.subject, error=error)

    async def done(self) -> None:
        """Wait until nothing is in work."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self, at_most_s: float) -> None:
        """Let what is in work end, for so long."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=at_most_s)
        await end(*self._tasks)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._free.release()
