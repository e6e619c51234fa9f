"""A request that asks for another protocol is answered as any other, with the body that it has."""

import asyncio
import logging

import pytest

from chassis.http.bounds import Bounds
from tests.chassis.test_connections import GET, calling, serving
from tests.support.polling import until

ASKS = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
PROTOCOLS = [
    ASKS,
    b"Connection: upgrade\r\nUpgrade: foo\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    b"Upgrade: foo\r\nUpgrade: bar\r\nConnection: keep-alive, upgrade\r\n",
]
BODIES = [
    (b"Content-Length: %d\r\n" % len(GET), GET),
    (b"Transfer-Encoding: chunked\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(GET), GET)),
]


@pytest.mark.parametrize("asks", PROTOCOLS)
@pytest.mark.parametrize(("announced", "body"), BODIES)
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_body_is_a_body_whatever_protocol_is_asked_for(
    asks: bytes, announced: bytes, body: bytes, at_once: bool
) -> None:
    head = b"POST /body HTTP/1.1\r\nHost: first\r\n" + asks + announced + b"\r\n"
    with serving(Bounds()) as asked:
        async with calling(asked) as caller:
            caller.say(head + (body if at_once else b""))
            if not at_once:
                await until(lambda: asked.hosts, "it is being answered")
                for byte in body:
                    caller.say(bytes([byte]))
                    await asyncio.sleep(0)
            assert (await caller.answer()).startswith(b"HTTP/1.1 200 ")
            caller.say(GET)
            assert (await caller.answer()).startswith(b"HTTP/1.1 200 ")
    assert asked.hosts == ["first", "localhost"]
    assert "upgrade" not in dict(asked.seen[0])


async def test_requests_behind_such_a_one_are_answered_in_their_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    several = b"".join(
        b"GET / HTTP/1.1\r\nHost: h%d\r\n%s\r\n" % (number, ASKS) for number in range(10)
    )
    with caplog.at_level(logging.INFO), serving(Bounds()) as asked:
        async with calling(asked) as caller:
            caller.say(several)
            for _ in range(10):
                assert (await caller.answer()).startswith(b"HTTP/1.1 200 ")
    assert asked.hosts == [f"h{number}" for number in range(10)]
    assert "pgrade" not in caplog.text


async def test_so_many_wait_and_no_more() -> None:
    one = GET[:-2] + ASKS + b"\r\n"
    with serving(Bounds(pipelined=3)) as asked:
        async with calling(asked) as caller:
            caller.say(one.replace(b"/ ", b"/slow ", 1) + one * 1000)
            await until(lambda: asked.hosts, "the first is being answered")
            asked.enough.set()
            answers = await caller.rest()
    assert answers.count(b"HTTP/1.1 200 ") == len(asked.seen) == 4


async def test_what_is_behind_a_body_asks_for_no_protocol() -> None:
    with serving(Bounds()) as asked:
        async with calling(asked) as caller:
            caller.say(
                b"POST /body HTTP/1.1\r\nHost: first\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"1\r\na\r\n0\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n" + GET
            )
            for _ in range(2):
                assert (await caller.answer()).startswith(b"HTTP/1.1 200 ")
    assert asked.hosts == ["first", "localhost"]


async def test_this_is_no_proxy() -> None:
    with serving(Bounds()) as asked:
        async with calling(asked) as caller:
            caller.say(b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n" + GET)
            assert (await caller.rest()).startswith(b"HTTP/1.1 501 ")
    assert asked.hosts == []
