"""Events as they happen: whose, in which order, and resumed without a gap or a double."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from contracts.base import Event
from contracts.chat import MessagePosted, TurnStreamed
from contracts.errors import NotFound
from contracts.payment import HoldPlaced
from contracts.registry import AgentRepriced
from contracts.task import GET_TASK, TaskReply
from tests.gateway import samples
from tests.gateway.reading import fresh, reading, started, tell
from tests.support.gateways import (
    Served,
    StandIns,
    assert_problem,
    gateway_settings,
    serving,
    until_answered,
)
from tests.support.polling import until


@pytest.fixture(scope="module")
async def other(bus_url: str) -> AsyncIterator[Served]:
    """Another replica of the gateway, that serves the same account."""
    with serving(gateway_settings(bus_url, event_streams=3)) as served:
        async with served.client() as http:
            await until_answered(http, "/ready", 200)
        yield served


async def test_an_account_hears_its_own_events_and_those_of_agents(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    task = fresh("task")
    repriced = AgentRepriced(agent_id="a", load=9, base_price="0.1", dynamic_price="0.2")
    async with reading(http, "/api/events") as heard:
        await tell(services.client, started(task, 1), "somebody-else")
        sequence = await tell(services.client, started(task, 2), "demo")
        await tell(services.client, repriced, "somebody-else")
        await heard.until_heard(2)

    assert heard.headers["content-type"].startswith("text/event-stream")
    assert heard.headers["cache-control"] == "no-store"
    first, second = heard.events
    assert heard.ids[0] == sequence
    said = {"type", "version", "id", "time", "subject", "taskId", "turnId", "service", "cause"}
    assert set(first) == said | {"data"}
    assert (first["type"], first["version"]) == ("step.started", 1)
    assert (first["taskId"], first["subject"], first["turnId"]) == (task, task, None)
    assert datetime.fromisoformat(first["time"]).tzinfo is not None
    assert first["data"]["stepId"] == "s2"
    assert (second["type"], second["taskId"]) == ("agent.repriced", None)
    assert second["data"]["dynamicPrice"] == "0.2"


async def test_who_resumes_misses_nothing_and_hears_nothing_twice(
    http: httpx.AsyncClient, other: Served, services: StandIns
) -> None:
    """At another replica, with more in between than is read at once."""
    task = fresh("task")
    async with reading(http, "/api/events") as heard:
        await tell(services.client, started(task, 0), "demo")
        await heard.until_heard(1)
    await asyncio.gather(
        *(tell(services.client, started(task, n), "somebody-else") for n in range(300))
    )
    for n in range(1, 500):
        await tell(services.client, started(task, n), "demo")

    async with (
        other.client() as elsewhere,
        reading(elsewhere, "/api/events", heard.last_id) as resumed,
    ):
        for n in range(500, 520):
            await tell(services.client, started(task, n), "demo")
        await resumed.until_heard(519)
    assert resumed.steps == [f"s{n}" for n in range(1, 520)]
    assert resumed.ids == sorted(set(resumed.ids))


async def test_a_stream_that_broke_before_its_first_event_resumes_too(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    task = fresh("task")
    async with reading(http, "/api/events") as heard:
        pass
    await tell(services.client, started(task), "demo")
    async with reading(http, "/api/events", heard.last_id) as resumed:
        await resumed.until_heard(1)
    assert resumed.events[0]["taskId"] == task


async def test_who_resumes_at_a_gateway_that_is_a_moment_behind_hears_nothing_twice(
    http: httpx.AsyncClient, other: Served, services: StandIns
) -> None:
    task = fresh("task")
    async with other.client() as elsewhere, reading(elsewhere, "/api/events"):
        async with reading(http, "/api/events") as heard:
            for number in range(5):
                await tell(services.client, started(task, number), "demo")
            await heard.until_heard(5)
        other.gateway.streams._tail.seen -= 5
        async with reading(elsewhere, "/api/events", heard.last_id) as resumed:
            await tell(services.client, started(task, 5), "demo")
            await until(lambda: "s5" in resumed.steps, "what happened since")
    assert (resumed.notices, resumed.steps) == ([], ["s5"])


async def test_a_task_is_told_from_its_beginning(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(GET_TASK, samples.ONE_TASK)
    task = fresh("task")
    for n in range(3):
        await tell(services.client, started(task, n), "demo")
        await tell(services.client, started(fresh("task"), 99), "demo")
    async with reading(http, f"/api/tasks/{task}/events") as heard:
        await tell(services.client, started(task, 3), "demo")
        await heard.until_heard(4)
        assert heard.steps == ["s0", "s1", "s2", "s3"]
    async with reading(http, f"/api/tasks/{task}/events", heard.ids[1]) as resumed:
        await resumed.until_heard(2)
    assert resumed.steps == ["s2", "s3"]


@pytest.mark.parametrize("path", ["/api/tasks/{}/events", "/api/hubchat/stream?taskId={}"])
async def test_another_accounts_task_is_unknown(
    http: httpx.AsyncClient, services: StandIns, path: str
) -> None:
    await services.answer(GET_TASK, NotFound("Task not found"))
    assert_problem(await http.get(path.format("t1")), 404, "Task not found")
    assert services.got(GET_TASK)[0].envelope.account == "demo"


async def test_even_an_id_of_ones_own_shows_no_events_of_others(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    """A task's id is not what decides; the account of each event is."""
    await services.answer(GET_TASK, samples.ONE_TASK)
    task = fresh("task")
    await tell(services.client, started(task, 1), "somebody-else")
    async with reading(http, f"/api/tasks/{task}/events") as heard:
        await tell(services.client, started(task, 2), "somebody-else")
        await tell(services.client, started(task, 3), "demo")
        await heard.until_heard(1)
    assert heard.steps == ["s3"]


async def test_the_chat_shows_words_and_work_but_no_payments(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    task = fresh("task")
    said: list[Event] = [
        MessagePosted(message_id="m1", turn_id="u1", role="user", content="hi\n", task_id=task),
        HoldPlaced(task_id=task, hold_id="s1", agent_id="translator", amount="0.1"),
        TurnStreamed(turn_id="u1", task_id=task, round=0, offset=0, text="Ho"),
        started(task),
        samples.turn_end("u1"),
    ]
    async with reading(http, "/api/hubchat/stream") as heard:
        for event in said:
            await tell(services.client, event, "demo")
        await heard.until_heard(4)
    assert [event["type"] for event in heard.events] == [
        "message.posted",
        "turn.streamed",
        "step.started",
        "turn.completed",
    ]
    assert heard.events[0]["data"]["content"] == "hi\n"
    assert heard.events[1]["turnId"] == "u1"


async def test_words_pass_at_every_gateway_and_are_not_kept(
    http: httpx.AsyncClient, other: Served, services: StandIns
) -> None:
    task = fresh("task")
    words = [
        TurnStreamed(turn_id="u1", task_id=task, round=0, offset=n, text=str(n)) for n in range(9)
    ]
    async with (
        other.client() as elsewhere,
        reading(http, "/api/events") as one,
        reading(elsewhere, "/api/hubchat/stream") as two,
    ):
        await tell(services.client, started(task, 1), "demo")
        for event in words:
            await tell(services.client, event, "demo")
        place = await tell(services.client, started(task, 2), "demo")
        for heard in (one, two):
            await heard.until_heard(11)
            assert [e["type"] for e in heard.events[1:10]] == ["turn.streamed"] * 9
            assert [e["data"]["text"] for e in heard.events[1:10]] == [str(n) for n in range(9)]
            assert heard.ids == [heard.ids[0]] * 10 + [place]  # Words move no reader's place.
    async with reading(http, "/api/events", one.ids[0]) as resumed:
        await resumed.until_heard(1)
    assert (resumed.steps, resumed.notices) == (["s2"], [])


async def test_what_lies_long_before_a_task_is_not_looked_through(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    """A month of events may lie before it."""
    task = fresh("task")
    async with reading(http, "/api/events") as everything:
        await tell(services.client, started(task, 0), "demo")
        await everything.until_heard(1)
    for hours, told in ((2, ["s9"]), (0, ["s0", "s9"])):
        made_at = datetime.now(UTC) + timedelta(hours=hours)
        later = samples.TASK.model_copy(update={"created_at": made_at})
        await services.answer(GET_TASK, TaskReply(task=later))
        async with reading(http, f"/api/tasks/{task}/events") as heard:
            if hours:
                await tell(services.client, started(task, 9), "demo")
            await heard.until_heard(len(told))
        assert heard.steps == told


async def test_what_was_published_by_hand_does_no_harm(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    task = fresh("task")
    js = services.client.jetstream()
    async with reading(http, "/api/events") as heard:
        await js.publish(f"bazaar.evt.step.started.{task}", b"no\njson", stream="EVENTS")
        pretty = json.dumps({"taskId": task}, indent=2).encode()
        await js.publish(f"bazaar.evt.step.started.{task}", pretty, stream="EVENTS")
        await heard.until_heard(2)
    assert heard.events[0]["data"] is None
    assert heard.events[1]["data"] == {"taskId": task}
    assert heard.events[1]["type"] == "unknown"


async def test_an_account_has_only_so_many_streams(other: Served) -> None:
    async with other.client() as http:
        async with (
            reading(http, "/api/events"),
            reading(http, "/api/hubchat/stream"),
            reading(http, "/api/events"),
        ):
            assert other.gateway.streams.readers == 3
            refused = await http.get("/api/events")
            assert_problem(refused, 429, "3 open event streams")
            assert int(refused.headers["retry-after"]) >= 1
        await until(lambda: not other.gateway.streams.readers, "all have left")
        async with reading(http, "/api/events"):
            pass


@pytest.mark.parametrize("last_id", ["x", "-1", "1.5", "9" * 30])
async def test_an_id_that_cannot_be_is_named(http: httpx.AsyncClient, last_id: str) -> None:
    for path in ("/api/events", "/api/hubchat/stream"):
        answer = await http.get(path, headers={"Last-Event-ID": last_id})
        assert_problem(answer, 422, "Last-Event-ID")
