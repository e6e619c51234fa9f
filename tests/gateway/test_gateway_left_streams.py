"""A stream whose caller has left is over, whatever it waits for just then."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest
from starlette.types import Message

from chassis import endings
from gateway.identity import Identity, Over
from gateway.routes.events import _while_known
from gateway.sse import Frames
from gateway.streams import Reader

SOON_S = 10
SCOPE = {"type": "http", "method": "GET", "path": "/"}


async def stubborn() -> None:
    """Wait for ever, and swallow one cancellation; so do waits of the NATS client."""
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def _told_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endings, "AGAIN_S", 0.01)


async def test_a_stream_ends_when_its_caller_leaves_though_a_cancellation_was_swallowed() -> None:
    taken, there, closed = list[Message](), asyncio.Event(), asyncio.Event()

    async def frames() -> AsyncGenerator[bytes]:
        try:
            yield b"data: 1\n\n"
            there.set()
            await stubborn()
        finally:
            closed.set()

    async def leave() -> Message:
        await there.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        taken.append(message)

    async with asyncio.timeout(SOON_S):
        await Frames(frames(), send_s=SOON_S)(SCOPE, leave, send)
    assert closed.is_set()
    assert [one.get("body") for one in taken] == [None, b"data: 1\n\n"]


async def test_a_stream_does_not_wait_for_who_looks_after_its_key() -> None:
    looking = asyncio.Event()

    async def over() -> Over:
        looking.set()
        await stubborn()
        return "revoked"

    reader = Reader("somebody")
    async with asyncio.timeout(SOON_S):
        async with _while_known(Identity("somebody", frozenset({"read"}), over=over), reader):
            await looking.wait()
    assert reader.end == "revoked"
