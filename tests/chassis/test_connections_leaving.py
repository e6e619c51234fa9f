"""Whoever is refused while it still sends hears why, and cannot stay for that."""

import asyncio

import pytest

from chassis.http import leaving
from chassis.http.bounds import Bounds
from tests.chassis.test_connections import GET, QUICK, Caller, calling, serving
from tests.support.polling import until

MUCH = b"a" * 5_000_000
CHUNKED = b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
LONG = Bounds(rest_s=60)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (GET[:-2] + b"X-Long: " + MUCH, 431),
        (b"GET /" + MUCH, 431),
        (GET[:-2] + b"X-Many: a\r\n" * 400_000, 431),
        (b"nonsense\r\n\r\n" + MUCH, 400),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\nUpgrade: x\r\n\r\n" + MUCH, 501),
        (CHUNKED + (b"1;" + b"x" * 1000 + b"\r\na\r\n") * 5_000, 431),
        (GET[:-2] + b"Connection: close\r\nContent-Length: 5000000\r\n\r\n" + MUCH, 200),
        (GET.replace(b"1.1", b"1.0") + MUCH, 200),
    ],
    ids=["header", "line", "many", "nonsense", "proxy", "framing", "unread", "behind"],
)
async def test_the_answer_arrives_however_much_is_still_sent(sent: bytes, status: int) -> None:
    with serving(LONG) as asked:
        async with calling(asked) as caller:
            caller.say(sent)
            answer = await caller.all()
            assert answer.startswith(b"HTTP/1.1 %d " % status)
            assert answer.count(b"HTTP/1.1") == 1
        await until(lambda: not asked.open, "who hung up is gone, long before its time")


async def test_who_is_one_too_many_hears_so_whatever_it_sends() -> None:
    with serving(Bounds(from_one=1, rest_s=60)) as asked:
        async with calling(asked) as first, calling(asked) as second:
            first.say(GET)
            await first.answer()
            second.say(GET + MUCH)
            assert (await second.all()).startswith(b"HTTP/1.1 503 ")


async def test_who_does_not_hang_up_is_hung_up_on() -> None:
    with serving(QUICK) as asked:
        async with calling(asked) as caller:
            caller.say(b"nonsense\r\n\r\n")
            assert (await caller.all()).startswith(b"HTTP/1.1 400 ")
            await until(lambda: not asked.open, "its time is over")


async def test_who_sends_on_and_on_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "REST_BYTES", 1_000_000)
    with serving(LONG) as asked:
        async with calling(asked) as caller:
            caller.say(b"nonsense\r\n\r\n" + MUCH)
            await until(lambda: not asked.open, "it had sent enough")


async def test_who_leaves_keeps_nobody_out() -> None:
    async def refused(caller: Caller) -> None:
        caller.say(b"nonsense\r\n\r\n")
        assert (await caller.all()).startswith(b"HTTP/1.1 400 ")

    with serving(Bounds(rest_s=60, leaving=2, in_all=3)) as asked:
        async with calling(asked) as one, calling(asked) as two, calling(asked) as three:
            for caller in (one, two, three):
                await refused(caller)
            await until(lambda: asked.open == 2, "only so many leave at once")
            async with calling(asked) as first, calling(asked) as second, calling(asked) as third:
                for caller in (first, second, third):
                    caller.say(GET)
                    assert (await caller.answer()).startswith(b"HTTP/1.1 200 ")


async def test_who_is_refused_amid_its_body_is_answered_once() -> None:
    """The app that was reading it is told that nobody listens any more."""
    with serving(LONG) as asked:
        async with calling(asked) as caller:
            caller.say(CHUNKED)
            await until(lambda: asked.hosts, "the app reads the body")
            caller.say(b"nonsense\r\n")
            answer = await caller.all()
            assert answer.startswith(b"HTTP/1.1 400 ")
            caller.say(b"1\r\na\r\n0\r\n\r\n")
            await asyncio.sleep(0)
        await until(lambda: not asked.open, "it hung up")
        assert asked.seen == []
