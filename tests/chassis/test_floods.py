"""More questions than can be answered in time: a bounded number waits, the others are told so."""

import asyncio

import nats
import pytest
from nats.aio.msg import Msg
from structlog.testing import capture_logs

from chassis.bus.subscriptions import PINGS_WAITING, REQUESTS_WAITING, RPC_WORKERS
from chassis.service import Service
from contracts.base import ping_call
from contracts.envelope import ACCOUNT, ERROR_CODE
from contracts.errors import Unavailable
from tests.chassis import probe
from tests.chassis.calling import ask
from tests.chassis.probe import ASK, Answer, Question
from tests.support.polling import DEADLINE_S, eventually
from tests.support.stack import Stack, running

BESIDE = 8
"""Between the queue and the workers: what the tasks on the way hold in their hands."""


async def flood(
    stack: Stack, service: Service, subject: str, most: int, gate: asyncio.Event
) -> int:
    """Ask much more than may wait, then let them work; how many were answered.

    All others were told at once, before anything was answered.
    """
    answered = told = 0

    async def count(message: Msg) -> None:
        nonlocal answered, told
        if (message.headers or {}).get(ERROR_CODE) == str(Unavailable.code):
            told += 1
        else:
            answered += 1

    client = await nats.connect(stack.nats_url)
    try:
        inbox = client.new_inbox()
        await client.subscribe(inbox, cb=count)
        for _ in range(2 * most):
            await client.publish(subject, b"{}", inbox, headers={ACCOUNT: "ann"})
        # What was dropped is told by the client that dropped it.
        seen = await service.broker.connect()
        await eventually(lambda: _received(seen.stats["in_msgs"], 2 * most))
        await eventually(lambda: _received(told, most - RPC_WORKERS - BESIDE))
        assert answered == 0
        gate.set()
        await eventually(lambda: _received(answered, most))
        await client.flush()
        await asyncio.wait_for(ask(service.bus), DEADLINE_S)
        await client.flush()
        assert answered + told == 2 * most
        return answered
    finally:
        await client.close()


async def _received(count: int, least: int) -> bool:
    return count >= least


@pytest.mark.parametrize(("verb", "most"), [("ask", REQUESTS_WAITING), ("ping", PINGS_WAITING)])
async def test_who_is_too_much_is_told_at_once_and_the_next_is_answered(
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


async def test_what_is_dropped_and_no_request_is_logged(probe_stack: Stack) -> None:
    gate = asyncio.Event()

    async def slow(_message: Msg) -> None:
        await gate.wait()

    service = probe.build(probe_stack)
    with capture_logs() as log:
        async with running(service):
            client = await service.bus.client()
            await client.subscribe("bazaar.evt.>", cb=slow, pending_msgs_limit=1)
            for _ in range(8):
                await client.publish("bazaar.evt.probe.said.x", b"{}")
            await client.flush()
            gate.set()
    assert any(one["event"] == "NATS" and one["log_level"] == "error" for one in log)
