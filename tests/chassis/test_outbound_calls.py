"""The client for calls to strangers, against servers that do what they like."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from chassis.outbound import (
    Answer,
    Limits,
    Outbound,
    Request,
    TooMuch,
    TooSlow,
    Unreachable,
    parse,
    wire,
)
from chassis.outbound.streaming import streaming
from chassis.outbound.transfers import Transfer
from chassis.outbound.wire import Wire
from tests.chassis.raw_agent import (
    CHUNKED,
    NO_HTTP,
    TOO_MUCH,
    TOO_SLOW,
    Behaviour,
    RawAgent,
    plain,
    sends,
    then_silence,
)
from tests.support.polling import eventually

HERE = ("127.0.0.1", "agent.test")
LIMITS = Limits(5.0, 65_536, pieces=200, head_lines=100, head_bytes=16_384)
BRIEFLY = Limits(0.3, 65_536)


@pytest.fixture
async def http() -> AsyncIterator[Outbound]:
    async with aclosing(Outbound(HERE)) as client:
        yield client


async def asked(http: Outbound, url: str, limits: Limits = LIMITS, body: bytes = b"") -> Answer:
    method: Any = "POST" if body else "GET"
    return await http.send(Request(method, url, {}, body), limits)


HELLO: dict[str, tuple[Behaviour, bytes]] = {
    "by its length": (sends(plain(b"hello")), b"hello"),
    "empty": (sends(plain(b"")), b""),
    "in chunks": (sends(CHUNKED + b"2\r\nhe\r\n3;name=x\r\nllo\r\n0\r\n\r\n"), b"hello"),
    "in chunks, with a trailer": (sends(CHUNKED + b"5\r\nhello\r\n0\r\nx: y\r\n\r\n"), b"hello"),
    "until it closes": (sends(b"HTTP/1.1 200 OK\r\n\r\nhello", close=True), b"hello"),
    "of old": (sends(b"HTTP/1.0 200 OK\r\n\r\nhello", close=True), b"hello"),
    "after interim answers": (
        sends(b"", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", plain(b"hello"), times=9),
        b"hello",
    ),
    "with more than was promised": (sends(plain(b"hello") + b" and more", close=True), b"hello"),
    "compressed, unasked": (sends(plain(b"hello", extra=b"content-encoding: gzip\r\n")), b"hello"),
}


@pytest.mark.parametrize("name", HELLO)
async def test_an_answer_is_read_whole(http: Outbound, name: str) -> None:
    behaviour, body = HELLO[name]
    async with RawAgent(behaviour) as agent:
        assert await asked(http, agent.url) == Answer(200, body)


async def test_a_request_says_what_it_has_to_and_no_more(http: Outbound) -> None:
    async with RawAgent(sends(plain(b"{}"))) as agent:
        request = Request("POST", f"{agent.url}/a%20b/execute", {"Idempotency-Key": "k"}, b"{}")
        await http.send(request, LIMITS)
    first, *lines = agent.heads[0].rstrip().split("\r\n")
    assert first == "POST /a%20b/execute HTTP/1.1"
    assert dict(line.lower().split(": ", 1) for line in lines) == {
        "host": f"127.0.0.1:{agent.port}",
        "user-agent": "agentbazaar",
        "accept": "application/json",
        "accept-encoding": "identity",
        "idempotency-key": "k",
        "content-length": "2",
        "content-type": "application/x-www-form-urlencoded",
    }


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "\u00e9", "a\x00b"])
async def test_a_header_that_cannot_be_sent_is_not_sent(http: Outbound, value: str) -> None:
    async with RawAgent(sends(plain(b"{}"))) as agent:
        with pytest.raises(Unreachable):
            await http.send(Request("GET", agent.url, {"x": value}), LIMITS)
        assert agent.heads == []
        assert (await asked(http, agent.url)).body == b"{}"


@pytest.mark.parametrize("name", TOO_MUCH)
async def test_an_answer_beyond_a_limit_is_cut_off(http: Outbound, name: str) -> None:
    behaviour, why = TOO_MUCH[name]
    async with RawAgent(behaviour) as agent:
        with pytest.raises(TooMuch, match=f"^more than [0-9]+ {why}"):
            await asked(http, agent.url)
        await asyncio.wait_for(agent.left.wait(), 30)
    assert agent.connections == 1


@pytest.mark.parametrize("name", NO_HTTP)
async def test_what_breaks_off_or_is_no_http_is_no_answer(http: Outbound, name: str) -> None:
    async with RawAgent(NO_HTTP[name]) as agent:
        with pytest.raises(Unreachable):
            await asked(http, agent.url)


@pytest.mark.parametrize("name", TOO_SLOW)
async def test_the_whole_answer_has_to_come_in_time(http: Outbound, name: str) -> None:
    async with RawAgent(TOO_SLOW[name]) as agent:
        with pytest.raises(TooSlow):
            await asked(http, agent.url, BRIEFLY)
        await asyncio.wait_for(agent.left.wait(), 30)


async def test_who_accepts_nobody_is_unreachable(http: Outbound) -> None:
    limits = Limits(30.0, 1_024, connect_s=0.3)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        waiting = []
        for _ in range(3):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(full.getsockname())
            waiting.append(one)
        with pytest.raises(Unreachable):
            await asked(http, url, limits)
        for one in waiting:
            one.close()


async def test_nobody_is_unreachable(http: Outbound) -> None:
    async with RawAgent(sends(plain(b""))) as agent:
        pass
    with pytest.raises(Unreachable):
        await asked(http, agent.url)


async def test_a_redirect_is_an_answer_and_not_followed(http: Outbound) -> None:
    async with RawAgent(sends(plain(b""))) as other:
        away = plain(b"", "307 Elsewhere", f"location: {other.url}/\r\n".encode())
        async with RawAgent(sends(away)) as agent:
            assert (await asked(http, agent.url)).status == 307
    assert other.heads == []


async def test_a_proxy_of_the_environment_is_not_used(
    http: Outbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with RawAgent(sends(plain(b"direct"))) as agent, RawAgent(sends(plain(b""))) as proxy:
        for name in ("http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert (await asked(http, agent.url)).body == b"direct"
    assert proxy.heads == []


async def test_each_call_has_a_connection_of_its_own(http: Outbound) -> None:
    async with RawAgent(sends(plain(b"x"))) as agent:
        for number in range(1, 4):
            await asked(http, agent.url, body=b"{}")
            assert agent.connections == number
            await asyncio.wait_for(agent.left.wait(), 30)
            agent.left.clear()


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        (b"Retry-After: 120\r\n", 120.0),
        (b"retry-after:0\r\n", 0.0),
        (b"Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 0.0),
        (b"Retry-After: soon\r\n", None),
        (b"Retry-After: -5\r\n", None),
        (b"Retry-After: 99999999999\r\n", None),
        (b"", None),
    ],
)
async def test_how_long_a_server_wants_to_be_left_alone(
    http: Outbound, head: bytes, wanted: float | None
) -> None:
    answer = plain(b"", "503 Service Unavailable", head)
    early = b"HTTP/1.1 103 Early Hints\r\nretry-after: 7\r\n\r\n"
    async with RawAgent(sends(early, answer)) as agent:
        found = await asked(http, agent.url)
    assert (found.status, found.retry_after_s) == (503, wanted)


async def test_what_is_sent_unasked_answers_no_other_call(http: Outbound) -> None:
    async with RawAgent(sends(plain(b"first") + plain(b"unasked"))) as agent:
        assert (await asked(http, agent.url)).body == b"first"
        agent.behaviour = sends(plain(b"second"))
        assert (await asked(http, agent.url)).body == b"second"
        assert agent.connections == 2


async def test_many_calls_go_on_side_by_side(http: Outbound) -> None:
    async with RawAgent(then_silence()) as silent, RawAgent(sends(plain(b"x"))) as agent:
        waiting = [asyncio.create_task(asked(http, silent.url)) for _ in range(100)]
        answers = await asyncio.gather(*(asked(http, agent.url) for _ in range(100)))
        assert {answer.body for answer in answers} == {b"x"}
        for call in waiting:
            call.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_call_that_is_given_up_ends_its_connection(http: Outbound) -> None:
    async with RawAgent(then_silence()) as agent:
        call = asyncio.create_task(asked(http, agent.url))
        await eventually(lambda: _true(bool(agent.heads)))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(agent.left.wait(), 30)


async def test_closing_ends_the_calls_and_the_thread() -> None:
    http = Outbound(HERE)
    before = set(threading.enumerate())
    async with RawAgent(then_silence()) as agent:
        call = asyncio.create_task(asked(http, agent.url))
        await eventually(lambda: _true(bool(agent.heads)))
        (thread,) = {t for t in threading.enumerate() if t.name == "outbound"} - before
        await http.aclose()
        with pytest.raises(Unreachable):
            await call
        assert not thread.is_alive()
    await http.aclose()
    with pytest.raises(Unreachable, match="stopping"):
        await asked(http, agent.url)


class Stuck(Wire):
    """A thread that something in it holds up."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()

    def _turn(self) -> None:
        self.free.wait(30)


async def test_an_end_does_not_wait_for_a_thread_that_is_stuck(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "JOIN_S", 0.1)
    url, stuck = "http://127.0.0.1:9", Stuck()
    stuck.start(Transfer(Request("GET", url, {}), parse(url), [], BRIEFLY))
    try:
        await asyncio.wait_for(asyncio.to_thread(stuck.stop), 10)
    finally:
        stuck.free.set()


async def _true(it: bool) -> bool:
    return it


# --- while it arrives


async def test_an_answer_is_heard_while_it_arrives(http: Outbound) -> None:
    goes_on = asyncio.Event()

    async def two_words(writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"4\r\none\n\r\n")
        await writer.drain()
        await goes_on.wait()
        writer.write(b"4\r\ntwo\n\r\n0\r\n\r\n")

    async with RawAgent(two_words) as agent:
        asked = Request("GET", agent.url, {}, query="a=1&b=%20")
        async with streaming(http, asked, LIMITS) as said:
            assert (said.status, said.headers["transfer-encoding"]) == (200, "chunked")
            assert await anext(said.pieces) == b"one\n"
            goes_on.set()
            assert [piece async for piece in said.pieces] == [b"two\n"]
        assert agent.heads[0].startswith("GET /?a=1&b=%20 HTTP/1.1\r\n")


async def test_whoever_hears_an_endless_answer_hangs_up(http: Outbound) -> None:
    endless = then_silence(CHUNKED + b"4\r\none\n\r\n")
    async with RawAgent(endless) as agent:
        async with streaming(http, Request("POST", agent.url, {}, b"x"), LIMITS) as said:
            assert await anext(said.pieces) == b"one\n"
        async with asyncio.timeout(5):
            await agent.left.wait()


BROKEN = {
    "hangs up in a chunk": (sends(CHUNKED + b"9\r\nhello", close=True), Unreachable),
    "no chunks": (sends(CHUNKED + b"hello\r\n\r\n", close=True), Unreachable),
    "too many chunks": (sends(CHUNKED, b"1\r\nx\r\n", times=4_000), TooMuch),
    "a frame without an end": (sends(CHUNKED + b"1;", b"x" * 1_000, times=4_000), TooMuch),
    "too many bytes": (sends(CHUNKED, b"400\r\n" + b"x" * 1_024 + b"\r\n", times=99), TooMuch),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_answer_is_told_to_who_hears_it(http: Outbound, name: str) -> None:
    behaviour, error = BROKEN[name]

    async def hear(url: str) -> list[bytes]:
        async with streaming(http, Request("GET", url, {}), LIMITS) as said:
            return [piece async for piece in said.pieces]

    async with RawAgent(behaviour) as agent:
        with pytest.raises(error):
            await hear(agent.url)


async def test_whether_a_request_may_have_arrived_is_known(http: Outbound) -> None:
    async with RawAgent(sends(b"", close=True)) as agent:
        with pytest.raises(Unreachable) as broke:
            await asked(http, agent.url)
        assert broke.value.sent
    with pytest.raises(Unreachable) as nobody:
        await asked(http, agent.url)
    assert not nobody.value.sent
