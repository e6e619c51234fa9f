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
from contracts import hands
from contracts.base import Pong, ping_call
from contracts.envelope import ID
from contracts.errors import Unavailable
from contracts.hands import InHand
from tests.chassis import probe
from tests.chassis.probe import ASK, Answer, Question
from tests.support.polling import eventually
from tests.support.stack import Stack, running

FOR_EVER_MS = 100_000
PINGS = 4


@pytest.fixture(autouse=True)
def _watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "WATCH_S", 0.1)


@asynccontextmanager
async def replica(
    stack: Stack,
    asked: asyncio.Event,
    instance: str | None = None,
    mute: asyncio.Event | None = None,
) -> AsyncIterator[Client]:
    """Somebody who takes requests of the probe and answers none but pings.

    With an `instance` it is of this release, and tells what it has in hand, unless it is `mute`.
    """
    mine: list[str] = []

    async def take(message: Msg) -> None:
        mine.append((message.headers or {})[ID])
        asked.set()

    async def pong(message: Msg) -> None:
        answer = Pong(service="probe", version="1", instance=instance)
        await message.respond(answer.model_dump_json().encode())

    async def tell(message: Msg) -> None:
        if mute is None or not mute.is_set():
            in_hand = InHand(instance=instance or "", requests=mine)
            await message.respond(in_hand.model_dump_json().encode())

    client = await nats.connect(stack.nats_url)
    if instance is not None:
        await client.subscribe(hands.subject("probe"), cb=tell)
        await client.subscribe(hands.subject("probe", instance), cb=tell)
    await client.subscribe(ASK.subject, queue="probe", cb=take)
    await client.subscribe(ping_call("probe").subject, queue="probe", cb=pong)
    await client.flush()
    await client.flush()  # The first may overtake what was subscribed.
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


async def has_looked(bus: Bus, times: int = 3 * watching.MISSED) -> None:
    """Wait until all who wait were looked after so often."""
    client = await bus.client()
    for _ in range(times):
        await asyncio.sleep(watching.WATCH_S)
        await client.flush()


async def has_heard(bus: Bus) -> None:
    """Wait until a replica of the probe told what it has in hand."""

    async def known() -> bool:
        return bool(bus._watch._services["probe"].roll.known)

    await eventually(known)


async def test_a_service_that_is_killed_and_back_at_once_is_told(probe_stack: Stack) -> None:
    """Its successor answers pings as it did; but it has not what was asked of the one before."""
    asked, never = asyncio.Event(), asyncio.Event()
    async with asker(probe_stack) as bus, replica(probe_stack, asked, "doomed") as doomed:
        asking = ask(bus)
        await asked.wait()
        async with replica(probe_stack, never, "successor"):
            await doomed.close()
            with pytest.raises(Unavailable, match="The probe service lost it"):
                await asking
    assert not never.is_set()


async def test_a_replica_that_dies_is_told_though_others_live(probe_stack: Stack) -> None:
    async def at_once(request: Question) -> Answer:
        return Answer(text=request.text)

    asked = asyncio.Event()
    async with asker(probe_stack) as bus, replica(probe_stack, asked, "doomed") as doomed:
        asking = ask(bus)
        await asked.wait()
        await has_heard(bus)
        async with running(probe.build(probe_stack, at_once), probe.build(probe_stack, at_once)):
            await has_looked(bus)
            assert not asking.done()
            await doomed.close()
            with pytest.raises(Unavailable, match="The probe service lost it"):
                await asking


async def test_what_a_replica_has_in_hand_is_waited_for_also_in_its_queue(
    probe_stack: Stack,
) -> None:
    asked, gate = asyncio.Event(), asyncio.Event()

    async def slow(request: Question) -> Answer:
        asked.set()
        await gate.wait()
        return Answer(text=request.text)

    service = probe.build(probe_stack)
    service.answer(ASK, slow, workers=1)
    async with asker(probe_stack) as bus, running(service):
        asking = [ask(bus) for _ in range(5)]
        await asked.wait()
        await has_heard(bus)
        async with replica(probe_stack, asyncio.Event(), "other"):
            await has_looked(bus)
            gate.set()
            assert {reply.text for reply in await asyncio.gather(*asking)} == {"x"}


@pytest.mark.parametrize("old", [True, False], ids=["of an old release", "slow"])
async def test_who_cannot_tell_what_it_has_is_not_taken_for_dead(
    probe_stack: Stack, old: bool
) -> None:
    """One of release 0.2.0 does not know the question; one that hangs has no time for it."""
    asked, mute = asyncio.Event(), asyncio.Event()
    instance = None if old else "slow"
    async with asker(probe_stack) as bus, replica(probe_stack, asked, instance, mute):
        asking = ask(bus)
        await asked.wait()
        if not old:
            await has_heard(bus)
        mute.set()
        async with replica(probe_stack, asyncio.Event(), "other"):
            await has_looked(bus)
            assert not asking.done()
        asking.cancel()


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
