"""What a connection may take of a server, over raw TCP, with bounds that a test can wait for."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from chassis.http.bounds import Bounds, place
from chassis.http.serving import options
from tests.support.polling import until

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
PATIENCE_S = 20.0
BIG = 32 * 1024 * 1024


@dataclass
class Asked:
    """What the server's app was asked, and how it behaves."""

    port: int = 0
    hosts: list[str] = field(default_factory=list)
    seen: list[list[tuple[str, str]]] = field(default_factory=list)
    left: int = 0
    server: uvicorn.Server | None = None
    enough: threading.Event = field(default_factory=threading.Event)

    @property
    def open(self) -> int:
        """Connections that the server has."""
        assert self.server is not None
        return len(self.server.server_state.connections)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self.hosts.append(headers.get("host", ""))
        path = scope["path"]
        if path == "/slow":
            await asyncio.to_thread(self.enough.wait, PATIENCE_S)
        elif path == "/stream":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while (await receive())["type"] != "http.disconnect":
                pass
            self.left += 1
            return
        elif path == "/body":
            while (message := await receive()).get("more_body"):
                pass
            if message["type"] == "http.disconnect":
                return
        self.seen.append(headers.items())
        body = b"a" * BIG if path == "/big" else b"ok"
        start = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": start})
        await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(bounds: Bounds, keep_alive_s: int = 60) -> Iterator[Asked]:
    asked = Asked()
    config = uvicorn.Config(
        asked.app,
        port=0,
        lifespan="off",
        interface="asgi3",
        timeout_keep_alive=keep_alive_s,
        timeout_graceful_shutdown=1,
        **options(bounds),
    )
    asked.server = server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        asked.port = server.servers[0].sockets[0].getsockname()[1]
        yield asked
    finally:
        asked.enough.set()
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@dataclass
class Caller:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def all(self) -> bytes:
        """All that comes until the server has said everything."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read()

    async def rest(self) -> bytes:
        """All that came until the server hung up."""
        got = []
        async with asyncio.timeout(PATIENCE_S):
            with suppress(ConnectionError):
                while part := await self.reader.read(1 << 16):
                    got.append(part)
        return b"".join(got)

    async def answer(self) -> bytes:
        """One answer, of the app's two bytes."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            return head + await self.reader.readexactly(2)


@asynccontextmanager
async def calling(asked: Asked) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", asked.port)
    try:
        yield Caller(reader, writer)
    finally:
        writer.close()


QUICK = Bounds(head_s=0.2, rest_s=0.2, take_s=0.3)


async def test_a_silent_connection_is_closed() -> None:
    with serving(QUICK) as asked:
        async with calling(asked) as caller:
            assert await caller.rest() == b""


@pytest.mark.parametrize("head", [b"G", b"GET / HTTP/1.1\r\n", GET[:-2], GET[:-2] + b"X-Half: a"])
async def test_an_unfinished_head_is_told_so_and_closed(head: bytes) -> None:
    with serving(QUICK) as asked:
        async with calling(asked) as caller:
            caller.say(head)
            answer = await caller.rest()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 408
        assert asked.seen == []


async def test_a_head_that_trickles_has_no_more_time_than_others() -> None:
    with serving(QUICK) as asked:
        async with calling(asked) as caller:

            async def trickle() -> None:
                caller.say(GET[:-2] + b"X-Slow: ")
                while True:
                    caller.say(b"a")
                    await asyncio.sleep(0.02)

            trickling = asyncio.create_task(trickle())
            answer = await caller.all()
            trickling.cancel()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert asked.seen == []


async def test_what_comes_after_an_answer_has_the_same_bounds() -> None:
    """Empty lines between requests are no sign of life, half a second request is none either."""
    for more in (b"\r\n", b"GET /", GET[:-2]):
        with serving(QUICK) as asked:
            async with calling(asked) as caller:
                caller.say(GET)
                assert (await caller.answer()).startswith(b"HTTP/1.1 200 ")
                caller.say(more)
                await caller.rest()
            assert len(asked.seen) == 1


async def test_a_connection_that_was_used_may_stay_for_the_next_request() -> None:
    with serving(QUICK) as asked:
        async with calling(asked) as caller:
            for _ in range(2):
                caller.say(GET)
                assert (await caller.answer()).startswith(b"HTTP/1.1 200 ")
                await asyncio.sleep(2 * QUICK.head_s)
        assert len(asked.seen) == 2
    with serving(QUICK, keep_alive_s=0) as asked:
        async with calling(asked) as caller:
            caller.say(GET)
            assert (await caller.rest()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "announced", [b"Content-Length: 1000000\r\n", b"Transfer-Encoding: chunked\r\n"]
)
async def test_a_body_that_nobody_waits_for_does_not_hold_the_connection(announced: bytes) -> None:
    """It was answered before it ended; whether it stops or trickles is all the same."""
    for trickles in (False, True):
        with serving(QUICK) as asked:
            async with calling(asked) as caller:
                caller.say(GET[:-2] + announced + b"\r\n")
                chunk = b"1\r\na\r\n" if b"chunked" in announced else b"a"

                async def trickle(caller: Caller = caller, chunk: bytes = chunk) -> None:
                    while True:
                        caller.say(chunk)
                        await asyncio.sleep(0.02)

                trickling = asyncio.create_task(trickle()) if trickles else None
                assert (await caller.rest()).startswith(b"HTTP/1.1 200 ")
                if trickling is not None:
                    trickling.cancel()


async def test_chunks_of_framing_and_no_content_are_refused() -> None:
    with serving(Bounds()) as asked:
        async with calling(asked) as caller:
            caller.say(b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(200):
                caller.say(b"1;" + b"x" * 1000 + b"\r\na\r\n")
                await asyncio.sleep(0.001)
            answer = await caller.all()
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert asked.seen == []


async def test_what_follows_a_body_is_no_header() -> None:
    with serving(Bounds()) as asked:
        async with calling(asked) as caller:
            caller.say(
                b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"0\r\nX-Behind: yes\r\n\r\n"
            )
            assert (await caller.answer()).startswith(b"HTTP/1.1 200 ")
        assert dict(asked.seen[0]).keys() == {"host", "transfer-encoding"}


@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"])
async def test_an_answer_that_nobody_takes_does_not_stay(close: bytes) -> None:
    with serving(QUICK) as asked:
        async with calling(asked) as caller:
            caller.writer.transport.pause_reading()  # type: ignore[attr-defined]
            caller.say(b"GET /big HTTP/1.1\r\nHost: x\r\n" + close + b"\r\n")
            await until(lambda: asked.seen, "it was answered")
            await until(lambda: not asked.open, "nothing waits any more")
            caller.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert len(await caller.rest()) < BIG


async def test_an_answer_that_is_taken_comes_whole() -> None:
    with serving(Bounds(take_s=2)) as asked:
        async with calling(asked) as caller:
            caller.say(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert len(await caller.rest()) > BIG


async def test_only_so_many_requests_wait_behind_one() -> None:
    with serving(Bounds(pipelined=3)) as asked:
        async with calling(asked) as caller:
            caller.say(GET.replace(b"/ ", b"/slow ", 1) + GET * 1000)
            await until(lambda: asked.hosts, "the first is being answered")
            asked.enough.set()
            answers = await caller.rest()
        assert answers.count(b"HTTP/1.1 200 ") == len(asked.seen) == 4


@pytest.mark.parametrize("behind", [b"", GET, GET * 3, GET[:-2]])
async def test_who_hangs_up_is_missed_whatever_waits_behind(behind: bytes) -> None:
    with serving(Bounds()) as asked:
        async with calling(asked) as caller:
            caller.say(GET.replace(b"/ ", b"/stream ", 1) + behind)
            async with asyncio.timeout(PATIENCE_S):
                await caller.reader.readuntil(b"\r\n\r\n")
        await until(lambda: asked.left == 1, "the stream knows that nobody reads it")
        await until(lambda: not asked.open, "the connection is gone")
        assert len(asked.hosts) == 1


async def test_what_is_no_request_is_told_after_what_was_one() -> None:
    with serving(Bounds()) as asked:
        async with calling(asked) as caller:
            caller.say(b"nonsense\r\n\r\n")
            answer = await caller.rest()
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 400
        async with calling(asked) as caller:
            caller.say(GET.replace(b"/ ", b"/slow ", 1) + b"nonsense\r\n\r\n")
            await until(lambda: asked.hosts, "the first is being answered")
            asked.enough.set()
            answers = await caller.rest()
        assert answers.startswith(b"HTTP/1.1 200 ")
        assert answers.count(b"HTTP/1.1") == 1


async def test_a_newcomer_takes_the_place_of_who_has_been_idle_longest() -> None:
    with serving(Bounds(in_all=3)) as asked:
        async with calling(asked) as first, calling(asked) as second, calling(asked) as third:
            for caller in (first, second, third):
                caller.say(GET)
                await caller.answer()
            first.say(GET)
            await first.answer()
            async with calling(asked) as newcomer:
                newcomer.say(GET)
                assert (await newcomer.answer()).startswith(b"HTTP/1.1 200 ")
                assert await second.rest() == b""
            for caller in (first, third):
                caller.say(GET)
                assert (await caller.answer()).startswith(b"HTTP/1.1 200 ")


async def test_when_all_are_at_work_one_more_is_refused() -> None:
    with serving(Bounds(in_all=2)) as asked:
        async with calling(asked) as first, calling(asked) as second:
            for caller in (first, second):
                caller.say(GET.replace(b"/ ", b"/slow ", 1))
            await until(lambda: len(asked.hosts) == 2, "both are being answered")
            async with calling(asked) as late:
                assert (await late.rest()).startswith(b"HTTP/1.1 503 ")
            asked.enough.set()
            for caller in (first, second):
                assert (await caller.answer()).startswith(b"HTTP/1.1 200 ")


async def test_an_address_has_only_so_many_connections() -> None:
    with serving(Bounds(from_one=2)) as asked:
        async with calling(asked) as first, calling(asked) as second:
            for caller in (first, second):
                caller.say(GET)
                await caller.answer()
            async with calling(asked) as third:
                assert (await third.rest()).startswith(b"HTTP/1.1 503 ")
        await until(lambda: not asked.open, "all have left")
        async with calling(asked) as again:
            again.say(GET)
            assert (await again.answer()).startswith(b"HTTP/1.1 200 ")
    with serving(Bounds(from_one=1, proxies=("127.0.0.0/8",))) as asked:
        async with calling(asked) as first, calling(asked) as second:
            for caller in (first, second):
                caller.say(GET)
                assert (await caller.answer()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("target", "host"),
    [
        (b"http://elsewhere.example/", "elsewhere.example"),
        (b"http://elsewhere.example:81/x", "elsewhere.example:81"),
        (b"HTTP://[::1]:81/", "[::1]:81"),
        (b"http://localhost@elsewhere.example/", "elsewhere.example"),
    ],
)
async def test_a_whole_address_as_the_target_says_which_host(target: bytes, host: str) -> None:
    with serving(Bounds()) as asked:
        async with calling(asked) as caller:
            caller.say(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await caller.answer()).startswith(b"HTTP/1.1 200 ")
    assert asked.hosts == [host]


@given(st.ip_addresses(v=4))
def test_an_address_of_ipv4_counts_for_itself(address: object) -> None:
    assert place(str(address)) == str(address)
    assert place(f"::ffff:{address}") == str(address)


@given(st.ip_addresses(v=6, network="2001:db8:1:2::/64"))
def test_a_site_of_ipv6_counts_as_one(address: object) -> None:
    assert place(str(address)) == "2001:db8:1:2::/64"
    assert place("2001:db8:1:3::1") != place(str(address))
