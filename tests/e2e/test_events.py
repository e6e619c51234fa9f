"""What a NATS client sees of the work: every event, readable, with its headers, in one story."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any

import httpx
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts.users import CONTEXTS
from tests.e2e import books
from tests.support.polling import insist

BY_CHAT = ["message.posted", "plan.proposed", "message.posted", "turn.completed"]
BY_TASK = ["task.created", "task.started", "step.started", "step.completed", "task.completed"]
BY_PAYMENT = ["hold.placed", "payment.recorded"]
STORY = {"chat": BY_CHAT, "task": BY_TASK, "payment": BY_PAYMENT}
"""What each service tells of a wish of one step, in order; between services there is none."""
WHOLE = {*BY_CHAT, *BY_TASK, *BY_PAYMENT}
BUYING = {*WHOLE, "stripe_payment.updated"}


class Heard:
    """What a subscriber to `bazaar.evt.>` hears, in order."""

    def __init__(self) -> None:
        self.messages: list[Msg] = []

    async def hear(self, message: Msg) -> None:
        self.messages.append(message)

    def story(self, correlation: str) -> list[Msg]:
        """What one request of a person set in motion."""
        return [m for m in self.messages if headers(m)["ce-correlationid"] == correlation]

    async def story_of(self, content: str, kinds: Collection[str] = WHOLE) -> list[Msg]:
        """The story of a message that was posted, once all of these have been told."""

        async def told() -> list[Msg]:
            begin = next((m for m in self.messages if body(m).get("content") == content), None)
            story = self.story(headers(begin)["ce-correlationid"]) if begin else []
            assert {kind(message) for message in story} >= set(kinds)
            return story

        return await insist(told)


async def listening(bus: Client) -> Heard:
    heard = Heard()
    await bus.subscribe("bazaar.evt.>", cb=heard.hear)
    await bus.flush()
    return heard


def headers(message: Msg) -> dict[str, str]:
    assert message.headers is not None
    return message.headers


def body(message: Msg) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message.data)
    return found


def kind(message: Msg) -> str:
    return ".".join(message.subject.split(".")[2:4])


async def say(http: httpx.AsyncClient, content: str, **more: str) -> dict[str, Any]:
    answer = await http.post("/api/hubchat/message", json={"content": content}, headers=more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_story_of_a_wish_is_complete_and_in_order(
    http: httpx.AsyncClient, bus: Client
) -> None:
    heard = await listening(bus)

    said = await say(http, "Translate 'hello' to Italian")

    story = await heard.story_of("Translate 'hello' to Italian")
    for service, events in STORY.items():
        told = [kind(m) for m in story if headers(m)["ce-source"] == service]
        assert [event for event in told if event in events] == events
    of_task = {kind(m) for m in story if m.subject.endswith(f".{said['taskId']}")}
    assert of_task >= WHOLE
    [turn] = [body(m) for m in story if kind(m) == "turn.completed"]
    assert turn["message"]["content"] == "ciao"


async def test_buying_outside_is_part_of_the_story(http: httpx.AsyncClient, bus: Client) -> None:
    heard = await listening(bus)
    await say(http, "Search for black holes")
    assert await heard.story_of("Search for black holes", BUYING)


async def test_every_event_is_readable_json_with_its_headers(
    http: httpx.AsyncClient, bus: Client
) -> None:
    heard = await listening(bus)
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    await say(http, "Translate 'bread' to Spanish", traceparent=f"00-{trace}-00f067aa0ba902b7-01")

    story = await heard.story_of("Translate 'bread' to Spanish")
    ids = set()
    for message in story:
        assert body(message)
        found = headers(message)
        assert found["ce-specversion"] == "1.0"
        assert found["ce-type"] == f"{kind(message)}.v1"
        assert found["ce-source"] in CONTEXTS
        assert found["ce-subject"] == message.subject.rpartition(".")[2]
        assert found["ce-account"] == "demo"
        assert found["ce-id"] == found["Nats-Msg-Id"]
        assert found["ce-causationid"]
        assert found["content-type"] == "application/json"
        assert datetime.fromisoformat(found["ce-time"]).tzinfo is not None
        assert found["traceparent"].split("-")[1] == trace
        ids.add(found["ce-id"])
    assert len(ids) == len(story)


async def test_stories_that_happen_at_once_are_told_apart(
    http: httpx.AsyncClient, bus: Client
) -> None:
    heard = await listening(bus)
    wishes = [f"Translate 'number {n} hello' to Spanish" for n in range(8)]

    said = await asyncio.gather(*(say(http, wish) for wish in wishes))

    stories = await asyncio.gather(*(heard.story_of(wish) for wish in wishes))
    for answer, story in zip(said, stories, strict=True):
        ids = {body(m)["taskId"] for m in story if body(m).get("taskId")}
        assert ids == {answer["taskId"]}
    by_task = defaultdict(set)
    for message in heard.messages:
        if task := body(message).get("taskId"):
            by_task[task].add(headers(message)["ce-correlationid"])
    assert all(len(correlations) == 1 for correlations in by_task.values()), by_task


async def test_one_task_can_be_followed_by_its_id(http: httpx.AsyncClient, bus: Client) -> None:
    made = await http.post("/api/tasks", json={"userQuery": "one call", "maxBudget": 1})
    task = made.json()["id"]
    heard = Heard()
    await bus.subscribe(f"bazaar.evt.*.*.{task}", cb=heard.hear)
    await bus.flush()

    call = {"agentId": "translator", "taskId": task, "payload": {"text": "hello"}}
    answer = await http.post("/api/invoke-agent", json=call)

    assert answer.status_code == 200, answer.text

    async def settled() -> bool:
        kinds = {kind(message) for message in heard.messages}
        return kinds >= {
            "task.started",
            "step.started",
            "hold.placed",
            "step.completed",
            "task.completed",
            "payment.recorded",
        }

    assert await insist(settled)
    assert await books.get(http, f"/api/tasks/{task}")
