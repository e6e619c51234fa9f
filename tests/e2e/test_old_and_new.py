"""Replicas of the release before beside this one: its orders and requests, and what it hears."""

import json
import re
import uuid
from typing import Any

import httpx
import jsonschema
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy

from contracts import envelope
from tests.e2e.test_events import headers, say
from tests.releases.past import RELEASES, Recorded, recorded, schemas
from tests.support.polling import insist

BEFORE = RELEASES[-1]
OLD = {one.kind: one for one in recorded(BEFORE)}
HOLD = "requests/payment.place_hold.v1"
REQUESTS = [one for one in OLD.values() if one.kind.startswith("requests/") and one.kind != HOLD]
AN_ID = re.compile(r"\b[0-9a-f]{32}\b")
BROKEN = {"400", "422", "500"}
"""Refusals of a request that was not understood; others are about what it asks for."""


def renewed(old: Recorded, fresh: dict[str, str]) -> Recorded:
    """The same message about things of its own: every id is replaced, the same by the same."""

    def other(found: re.Match[str]) -> str:
        return fresh.setdefault(found[0], uuid.uuid4().hex)

    text = AN_ID.sub(other, json.dumps([old.subject, old.headers, old.body]))
    subject, its_headers, body = json.loads(text)
    return Recorded(old.release, old.kind, subject, its_headers, body)


async def told(js: JetStreamContext, subject: str) -> list[Any]:
    """All messages of the stream EVENTS on a subject, oldest first."""
    config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL, inactive_threshold=30)
    reading = await js.pull_subscribe(subject, stream="EVENTS", config=config)
    pending = (await reading.consumer_info()).num_pending or 0
    found: list[Any] = []
    while len(found) < pending:
        found += await reading.fetch(min(100, pending - len(found)), timeout=5)
    await reading.unsubscribe()
    return found


async def test_orders_of_the_release_before_are_carried_out(
    http: httpx.AsyncClient, js: JetStreamContext
) -> None:
    fresh: dict[str, str] = {}
    start = renewed(OLD["commands/task.start.v1"], fresh)
    task, steps = start.body["taskId"], start.body["steps"]

    await _order(js, start)

    async def done() -> bool:
        answer = await http.get(f"/api/tasks/{task}/steps")
        return answer.status_code == 200 and [one["status"] for one in answer.json()] == [
            "completed"
        ] * len(steps)

    assert await insist(done)
    finish = renewed(OLD["commands/task.finish.v1"], fresh)
    body = {**finish.body, "taskId": task, "outcome": "completed"}
    subject = f"bazaar.cmd.task.finish.{task}"
    await _order(js, Recorded(BEFORE, finish.kind, subject, finish.headers, body))

    async def ended() -> bool:
        return bool((await http.get(f"/api/tasks/{task}")).json()["status"] == "completed")

    assert await insist(ended)
    receipt = (await http.get(f"/api/tasks/{task}/receipt")).json()
    assert receipt["total"] == (await http.get(f"/api/tasks/{task}")).json()["totalCost"] > 0


async def _order(js: JetStreamContext, order: Recorded) -> None:
    about = {envelope.SUBJECT: order.subject.rpartition(".")[2]}
    sent = {k: v for k, v in order.headers.items() if k != "Nats-Expected-Stream"} | about
    await js.publish(order.subject, json.dumps(order.body).encode(), headers=sent)


@pytest.mark.parametrize("old", REQUESTS, ids=lambda one: one.kind)
async def test_requests_of_the_release_before_are_understood(bus: Client, old: Recorded) -> None:
    asked = renewed(old, {})
    reply = await bus.request(
        asked.subject, json.dumps(asked.body).encode(), headers=asked.headers, timeout=30
    )

    code = (reply.headers or {}).get("Nats-Service-Error-Code")
    assert code not in BROKEN, reply.headers
    if code is None:
        kind = old.kind.replace("requests/", "replies/")
        jsonschema.validate(json.loads(reply.data), schemas(BEFORE)[kind])


async def test_what_a_task_service_of_the_release_before_held_it_frees(
    bus: Client, js: JetStreamContext
) -> None:
    asked = renewed(OLD[HOLD], {})
    body, task = json.dumps(asked.body).encode(), asked.body["taskId"]
    reply = await bus.request(asked.subject, body, headers=asked.headers, timeout=30)
    jsonschema.validate(json.loads(reply.data), schemas(BEFORE)["replies/payment.place_hold.v1"])
    failed = renewed(OLD["events/step.failed.v1"], {})
    ended = {**failed.body, "taskId": task, "stepId": asked.body["holdId"]}
    subject = f"bazaar.evt.step.failed.{task}"

    await _order(js, Recorded(BEFORE, failed.kind, subject, failed.headers, ended))

    assert await insist(lambda: told(js, f"bazaar.evt.hold.released.{task}"))


async def test_the_release_before_can_read_all_that_is_told_now(
    http: httpx.AsyncClient, js: JetStreamContext
) -> None:
    known = schemas(BEFORE)
    said = await say(http, "Search for tides and summarize it")
    heard = set()
    for message in await told(js, f"bazaar.evt.*.*.{said['taskId']}"):
        kind = f"events/{headers(message)['ce-type']}"
        if kind in known:
            jsonschema.validate(json.loads(message.data), known[kind])
            heard.add(kind)
    assert {"events/step.completed.v1", "events/payment.recorded.v1"} <= heard
