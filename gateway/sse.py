"""Server-sent events as an answer: frames as they come, for as long as somebody takes them.

An open stream is two tasks, and no group of them: sse-starlette's answer, which does the same,
keeps four with their scopes, 17 KiB for each stream that is open.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext, suppress
from functools import partial

import structlog
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from chassis.endings import end

log = structlog.get_logger()

Take = Callable[[AsyncGenerator[bytes]], None]
TAKES = "agentbazaar.takes"
"""The extension of a scope by which who asks in this process takes the frames themselves (`Take`)
and reads them at his own pace; nothing is sent then.
"""
HEADERS = {"Cache-Control": "no-store", "Connection": "keep-alive", "X-Accel-Buffering": "no"}
ALIVE = b": alive\n\n"
"""A comment, which every client passes over."""


async def begun(frames: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Frames of which the first is there; what goes wrong before it can be answered otherwise."""
    return _after(await anext(frames, None), frames)


async def _after(first: bytes | None, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(rest):
        if first is not None:  # Else there is nothing to tell.
            yield first
        async for frame in rest:
            yield frame


class NotTaken(Exception):
    """The caller takes nothing of what is sent."""


class Frames(Response):
    """Frames until their end, or until the caller leaves or takes nothing for too long."""

    media_type = "text/event-stream"

    def __init__(
        self,
        frames: AsyncGenerator[bytes],
        send_s: float,
        held: AbstractAsyncContextManager[object] | None = None,
        alive_s: float | None = None,
    ) -> None:
        """Answer with `frames`.

        Args:
            frames: whole events each; closed at the end.
            send_s: who takes nothing for so many seconds is cut off.
            held: what is let go at the end, if nothing was sent, too.
            alive_s: so often a comment shows that the stream lives; None when frames do so.
        """
        self.frames = frames
        self.status_code = 200
        self.background = None
        self._send_s = send_s
        self._held = held or nullcontext()
        self._alive_s = alive_s
        self._sending = asyncio.Lock()
        self.init_headers(HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them all; none for who asked by HEAD."""
        async with self._held, aclosing(self.frames):
            await send(self._start())
            if scope["method"] == "HEAD":
                await send({"type": "http.response.body"})
                return
            sending = asyncio.create_task(self._send_all(send))
            try:
                async with asyncio.timeout(None) as there:
                    sending.add_done_callback(partial(_no_longer, there))
                    await self._watch(receive, send)
            except NotTaken:
                log.info("a stream was cut off: no sign of life was taken", path=scope["path"])
            except TimeoutError:
                if not there.expired():
                    raise
            finally:
                await end(sending)  # What it waits for may swallow a cancellation.
            try:
                if not sending.cancelled():
                    sending.result()
            except NotTaken:
                log.info("a stream was cut off: nothing was taken", path=scope["path"])

    def _start(self) -> Message:
        return {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }

    async def _send_all(self, send: Send) -> None:
        async for frame in self.frames:
            await self._sent(send, frame)
        await send({"type": "http.response.body"})

    async def _watch(self, receive: Receive, send: Send) -> None:
        """Show that the stream lives, until the caller leaves."""
        while not await self._left(receive):
            await self._sent(send, ALIVE)

    async def _left(self, receive: Receive) -> bool:
        """Wait until the caller has left; False when a sign of life is due before."""
        try:
            async with asyncio.timeout(self._alive_s):
                while (await receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return False
        return True

    async def _sent(self, send: Send, frame: bytes) -> None:
        try:
            async with self._sending, asyncio.timeout(self._send_s):
                await send({"type": "http.response.body", "body": frame, "more_body": True})
        except TimeoutError:
            raise NotTaken from None


def _no_longer(there: asyncio.Timeout, _sent: "asyncio.Task[None]") -> None:
    """All was sent: wait for the caller to leave no longer, if that is waited for still."""
    with suppress(RuntimeError):
        there.reschedule(asyncio.get_running_loop().time())
