"""A stream whose caller has left is over, whatever it waits for just then."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import pytest
from starlette.types import Message

from chassis import endings
from chassis.bus.envelopes import new_id
from contracts.task import INVOKE_AGENT
from gateway.identity import Identity, Over
from gateway.identity import Scope as Wanted
from gateway.routes.events import _while_known
from gateway.sse import Frames
from gateway.streams import Reader
from tests.gateway import samples
from tests.support.gateways import Served, StandIns
from tests.support.polling import until

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

    async def over(_wanted: Wanted) -> Over:
        looking.set()
        await stubborn()
        return "revoked"

    reader = Reader("somebody")
    async with asyncio.timeout(SOON_S):
        async with _while_known(Identity("somebody", frozenset({"read"}), over=over), reader):
            await looking.wait()
    assert reader.end == "revoked"


def said(id_: str, **parts: Any) -> dict[str, Any]:
    """A message of A2A that is a call of an agent."""
    return {"messageId": id_, "role": "ROLE_USER", "metadata": {"agentId": "a"}} | parts


def rpc(method: str, id_: str) -> dict[str, Any]:
    params = {"message": said(id_, parts=[{"text": "hello"}])}
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


@pytest.mark.parametrize("way", ["a stream", "a stream of 0.3", "no stream"])
async def test_who_leaves_a2a_before_anything_was_told_is_waited_for_no_longer(
    served: Served, services: StandIns, way: str
) -> None:
    """The order goes on: the same message, sent again, has what came of it."""
    gate, id_ = asyncio.Event(), new_id()

    async def works(_: Any) -> Any:
        await gate.wait()
        return samples.RESULT

    await services.answer(INVOKE_AGENT, works)
    new: dict[str, str] = {"A2A-Version": "1.0"}
    old = {"request": said(id_, content=[{"text": "hello"}])}
    path, headers, body, readers = {
        "a stream": ("/a2a", new, rpc("SendStreamingMessage", id_), 1),
        "a stream of 0.3": ("/a2a/v1/message:stream", {}, old, 1),
        "no stream": ("/a2a", new, rpc("SendMessage", id_), 0),
    }[way]
    streams = served.gateway.streams
    async with served.client() as http:
        leaving = asyncio.create_task(http.post(path, json=body, headers=headers))
        await until(lambda: services.got(INVOKE_AGENT), "it is at work")
        await until(lambda: streams.readers == readers, "who reads is known")
        leaving.cancel()
        await asyncio.wait({leaving})
        await until(lambda: streams.readers == 0, "nobody reads")
        gate.set()
        again = await http.post("/a2a", json=rpc("SendMessage", id_), headers=new)
    assert again.json()["result"]["task"]["artifacts"][0]["parts"][0]["text"] == "hola"
    assert len(services.got(INVOKE_AGENT)) == 1
