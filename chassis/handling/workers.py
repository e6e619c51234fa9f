"""Messages in work: so many at once, each in a task of its own; the next ones wait."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

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
        self._tasks: dict[asyncio.Task[None], Msg] = {}
        self._next: Msg | None = None

    async def take(self, raw: Msg) -> None:
        """Begin to work on a message, as soon as there is room."""
        self._next = raw
        await self._free.acquire()
        task = asyncio.create_task(self.handle(raw))
        self._tasks[task] = raw
        self._next = None
        task.add_done_callback(self._done)

    def in_hand(self) -> Iterator[Msg]:
        """What was taken and is not done."""
        if self._next is not None:
            yield self._next
        yield from self._tasks.values()

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
        del self._tasks[task]
        self._free.release()
