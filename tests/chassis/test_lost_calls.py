"""Requests whose reply cannot come any more: the caller is told, long before the time-out."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
import pytest
from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.aio.msg import Msg

from chassis.bus import watching
from chassis.bus.calls import Bus
from chassis.bus.envelopes import origin
from contracts.base import ping_call
from contracts.errors import Unavailable
from tests.chassis import probe
from tests.chassis.probe import ASK, Answer, Question
from tests.conftest import Stack, running

FOR_EVER_MS = 100_000
PINGS = 4


@pytest.fixture(autouse=True)
def _watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "WATCH_S", 0.1)


@asynccontextmanager
async def replica(stack: Stack, asked: asyncio.Event) -> AsyncIterator[Client]:
    """Somebody who takes requests of the probe and answers none but pings."""

    async def take(_message: Msg) -> None:
        asked.set()

    async def pong(message: Msg) -> None:
        await message.respond(b"{}")

    client = await nats.connect(stack.nats_url)
    await client.subscribe(ASK.subject, queue="probe", cb=take)
    await client.subscribe(ping_call("probe").subject, queue="probe", cb=pong)
    await client.flush()
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def asker(stack: Stack) -> AsyncIterator[Bus]:
    """Somebody who answers nothing."""
    broker = NatsBroker(stack.nats_url, logger=None)
    client = await broker.connect()
    try:
        yield Bus(broker, "asker")
    finally:
        await client.close()


def ask(bus: Bus) -> asyncio.Task[Answer]:
    cause = origin("test", "test")
    return asyncio.create_task(bus.ask(ASK, Question(text="x"), cause, timeout_ms=FOR_EVER_MS))


async def test_a_service_that_dies_with_the_request_in_hand_is_told(probe_stack: Stack) -> None:
    asked = asyncio.Event()
    async with asker(probe_stack) as bus, replica(probe_stack, asked) as dying:
        asking = ask(bus)
        await asked.wait()
        await dying.close()
        with pytest.raises(Unavailable, match="The probe service went down"):
            await asking


async def test_one_look_serves_all_who_wait(probe_stack: Stack) -> None:
    crowd, pings = 50, itertools.count(1)
    requests: list[Msg] = []
    looked = asyncio.Event()

    async def take(message: Msg) -> None:
        requests.append(message)

    async def pong(message: Msg) -> None:
        if next(pings) == PINGS:
            looked.set()
        await message.respond(b"{}")

    client = await nats.connect(probe_stack.nats_url)
    await client.subscribe(ASK.subject, queue="probe", cb=take)
    await client.subscribe(ping_call("probe").subject, queue="probe", cb=pong)
    await client.flush()
    try:
        async with asker(probe_stack) as bus:
            asking = [ask(bus) for _ in range(crowd)]
            await looked.wait()
            for request in requests:
                await request.respond(b'{"text": "x"}')
            assert {reply.text for reply in await asyncio.gather(*asking)} == {"x"}
    finally:
        await client.close()
    assert next(pings) <= crowd


async def test_a_bus_that_goes_away_meanwhile_is_told(killable: Stack) -> None:
    asked = asyncio.Event()
    async with asker(killable) as bus, replica(killable, asked):
        asking = ask(bus)
        await asked.wait()
        await killable.nats.kill()
        await killable.nats.start()
        with pytest.raises(Unavailable, match="The message bus was away"):
            await asking


async def test_a_service_that_is_slow_and_being_stopped_still_gives_its_answer(
    probe_stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, stopping, gate = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(request: Question) -> Answer:
        asked.set()
        await gate.wait()
        return Answer(text=request.text)

    service = probe.build(probe_stack, slow)
    pings = itertools.count(1)

    async def pinged() -> None:
        if stopping.is_set() and next(pings) == PINGS:
            gate.set()

    monkeypatch.setattr(service.database, "ping", pinged)
    async with asker(probe_stack) as bus:
        async with running(service):
            asking = ask(bus)
            await asked.wait()
            stopping.set()
        assert (await asking).text == "x"
