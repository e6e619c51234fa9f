"""Answers that are read while they arrive."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chassis.endings import end
from chassis.outbound.client import Outbound
from chassis.outbound.exchange import Answer, Limits, Listener, Request


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer whose head has come; `pieces` are those of its body, and end as the call ends.

    Iterating over `pieces` raises what `Outbound.send` raises.
    """

    status: int
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]


@asynccontextmanager
async def streaming(http: Outbound, request: Request, limits: Limits) -> AsyncIterator[Streamed]:
    """Ask, and read the answer piece by piece; leaving the block ends the exchange.

    Raises:
        CallError: as `Outbound.send`.
    """
    heads: asyncio.Queue[tuple[int, Mapping[str, str]] | None] = asyncio.Queue()
    pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
    listener = Listener(None, lambda *head: heads.put_nowait(head), pieces.put_nowait)
    call = asyncio.create_task(http.send(request, limits, listener))

    def over(call: asyncio.Task[Answer]) -> None:
        if not call.cancelled():
            call.exception()  # Whoever still reads is told; nobody has to.
        heads.put_nowait(None)
        pieces.put_nowait(None)

    async def read() -> AsyncIterator[bytes]:
        while (piece := await pieces.get()) is not None:
            yield piece
        await call

    call.add_done_callback(over)
    try:
        head = await heads.get()
        if head is None:
            head = (await call).status, {}
        yield Streamed(*head, read())
    finally:
        await end(call)
