"""The five processes at LOG_LEVEL=DEBUG are sent a mark wherever they can be: none logs it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeout

from chassis.bus.envelopes import new_id
from contracts.topology import DURABLES
from tests.observability.test_tracing import Running, system
from tests.releases.past import RELEASES, Recorded, recorded
from tests.support.clients import http_client
from tests.support.polling import eventually
from tests.support.scripted_agent import Behaviour, breaks_off, says
from tests.support.stack import Stack, new_stack

MARK = "Xq7 of a caller; {1}"
"""No id has blanks, so that it is nowhere by right."""
SPOILT: tuple[Any, ...] = (MARK, {MARK: MARK}, [MARK], f"{MARK}\x00", {"a": [{MARK: MARK}]})
RAW = (
    MARK.encode(),
    f'{{"{MARK}": '.encode(),
    json.dumps([MARK]).encode(),
    b"\xff" + MARK.encode(),
)
POSTS = (
    *("/api/hubchat/message", "/api/invoke-agent", "/api/tasks", "/api/agents/register"),
    *("/api/payments", "/api/payments/checkout", "/api/webhooks/stripe", "/api/nothing"),
)
WORDS: dict[str, Any] = {
    "result": MARK,
    "cost": 0.1,
    "subtask_type": MARK,
    "requires_external_tool": True,
    "external_cost": 0.1,
    "vendor": MARK,
}
AGENT: tuple[Behaviour, ...] = (
    says(MARK),
    says(WORDS),
    says({"detail": MARK}, 400),
    says({"detail": MARK}, 503, f"retry-after: {MARK}\r\n"),
    says({"detail": [{"msg": MARK}]}, 422),
    says(MARK, 500),
    says({**WORDS, "cost": MARK}),
    says({**WORDS, "cost": -1, MARK: MARK}),
    says({**WORDS, "result": f"{MARK}\x00"}),
    says({**WORDS, "result": {MARK: MARK}}),
    says(MARK, 302, f"location: http://{MARK.replace(' ', '-')}/\r\n"),
    breaks_off,
)


@pytest.fixture(scope="module")
async def own() -> AsyncIterator[Stack]:
    """Servers of one's own: what is sent here would be dead letters for everybody else."""
    async with new_stack() as stack:
        yield stack


def bodies(one: Recorded) -> Iterator[bytes]:
    """The body with the mark in place of each field, with further fields, and as no JSON."""
    fresh = {key: new_id() for key in one.body if key.endswith(("Id", "id"))}
    body = {**one.body, **fresh, MARK: MARK}
    for key in one.body:
        for value in SPOILT:
            yield json.dumps({**body, key: value}).encode()
    yield json.dumps({**body, **{key: MARK for key in one.body if key not in fresh}}).encode()
    yield from RAW


async def over_the_bus(bus: Client) -> int:
    """Everything that a service takes, spoilt in every way; how many messages that were."""
    sent = 0
    for one in recorded(RELEASES[-1]):
        kind = one.kind.split("/")[0]
        if kind == "requests":
            asked = [bus.request(one.subject, body, timeout=20) for body in bodies(one)]
            found = await asyncio.gather(*asked, return_exceptions=True)
            assert not [answer for answer in found if isinstance(answer, NatsTimeout)], one.kind
            sent += len(found)
        elif kind in ("events", "commands"):
            stem = one.subject.rpartition(".")[0]
            for body in bodies(one):
                headers = {**one.headers, "ce-id": new_id(), "Nats-Msg-Id": new_id()}
                await bus.publish(f"{stem}.{new_id()}", body, headers=headers)
                sent += 1
    await bus.flush()
    return sent


async def over_http(one: Running) -> None:
    for path in POSTS:
        for body in (*RAW, *(json.dumps(value).encode() for value in SPOILT)):
            await one.http.post(path, content=body, headers={"content-type": "application/json"})
            await one.http.post(path, json={"content": MARK, MARK: MARK, "payload": MARK})
        await one.http.get(path, params={"limit": MARK, "cursor": MARK, "status": MARK})
    agent = f"agent-{one.skill}"
    one.agent.script = list(AGENT)
    for _ in AGENT:
        call = {"agentId": agent, "payload": {"text": MARK, MARK: MARK}, "userQuery": MARK}
        await one.http.post("/api/invoke-agent", json=call)
    await one.http.post("/api/hubchat/message", json={"content": f"{one.skill} {MARK}"})


async def nothing_waits(bus: Client) -> bool:
    js = bus.jetstream()
    found = [await js.consumer_info(one.stream, one.name) for one in DURABLES]
    return not any(one.num_pending for one in found)


async def test_no_service_logs_what_it_was_sent(own: Stack) -> None:
    async with system(own, f"skill{new_id()[:8]}", LOG_LEVEL="DEBUG", AGENT_RETRY_S="0.01") as one:
        bus = await nats.connect(own.nats_url)
        try:
            await over_http(one)
            assert await over_the_bus(bus) > 500
            await eventually(lambda: nothing_waits(bus), within_s=120)
        finally:
            await bus.close()
        async with http_client(trust_env=False) as http:
            answer = await http.get(f"{one.http.base_url}/health", timeout=20)
            assert answer.status_code == 200
        await one.stop()
        for name, process in one.processes.items():
            lines = process.lines()
            assert [line for line in lines if "Xq7" in json.dumps(line)] == [], name
            assert lines, name
        said = json.dumps([line for p in one.processes.values() for line in p.lines()])
        assert "dead letter" in said
