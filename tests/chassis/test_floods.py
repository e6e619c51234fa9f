"""More questions than can be answered in time: a bounded number waits, the others are dropped."""

import asyncio

import nats
import pytest
from nats.aio.msg import Msg

from chassis.bus import PINGS_WAITING, REQUESTS_WAITING, RPC_WORKERS
from chassis.envelopes import origin
from chassis.service import Service
from contracts.base import ping_call
from tests.chassis import probe
from tests.chassis.calling import ask
from tests.chassis.helpers import eventually
from tests.chassis.probe import ASK, Answer, Question
from tests.conftest import Stack, running

BESIDE = 8
"""Between the queue and the workers: what the tasks on the way hold in their hands."""


async def flood(
    stack: Stack, service: Service, subject: str, most: int, gate: asyncio.Event
) -> int:
    """Ask much more than may wait, then let them work; how many were answered."""
    answered = 0

    async def count(_message: Msg) -> None:
        nonlocal answered
        answered += 1

    client = await nats.connect(stack.nats_url)
    try:
        inbox = client.new_inbox()
        await client.subscribe(inbox, cb=count)
        headers = origin("test", "test", "ann").headers()
        for _ in range(2 * most):
            await client.publish(subject, b"{}", inbox, headers=headers)
        # What was dropped is told by the client that dropped it.
        seen = await service.broker.connect()
        await eventually(lambda: _received(seen.stats["in_msgs"], 2 * most))
        gate.set()
        await eventually(lambda: _received(answered, most))
        await client.flush()
        await asyncio.wait_for(ask(service.bus), 10)
        await client.flush()
        return answered
    finally:
        await client.close()


async def _received(count: int, least: int) -> bool:
    return count >= least


@pytest.mark.parametrize(("verb", "most"), [("ask", REQUESTS_WAITING), ("ping", PINGS_WAITING)])
async def test_what_is_too_much_is_dropped_and_the_next_is_answered(
    probe_stack: Stack, verb: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()

    async def slow(request: Question) -> Answer:
        await gate.wait()
        return Answer(text=request.text)

    async def slow_ping() -> None:
        await gate.wait()

    service = probe.build(probe_stack, slow)
    monkeypatch.setattr(service.database, "ping", slow_ping)
    async with running(service):
        subject = (ping_call("probe") if verb == "ping" else ASK).subject
        answered = await flood(probe_stack, service, subject, most, gate)
    assert most <= answered <= most + RPC_WORKERS + BESIDE
