"""Answers given again: never to another account, never older than what the caller wrote."""

import asyncio
from collections.abc import AsyncIterator
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.base import Call, Model
from contracts.catalogue import CONTEXTS
from contracts.errors import NotFound
from contracts.listings import FIND_AGENTS
from contracts.registry import GET_AGENT, LIST_AGENTS
from contracts.task import CREATE_TASK, GET_TASK, LIST_STEPS, LIST_TASKS, TaskList, TaskReply
from deploy.local.embedded import embedded_nats_server
from gateway import cache
from gateway.cache import Answer, Cache, Key
from gateway.layers.caching import _KEPT
from tests.gateway import samples
from tests.gateway.credentials import bearer, make_key
from tests.gateway.telling import Telling, telling, unhurried, until_kept
from tests.support.gateways import (
    assert_problem,
    gateway_settings,
    serving,
    until_answered,
)
from tests.support.polling import until
from tests.support.stack import declare


@pytest.fixture(autouse=True)
def _unhurried(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if iscoroutinefunction(request.function):  # The others have a clock of their own.
        unhurried(monkeypatch)


@pytest.fixture
async def services(bus_url: str) -> AsyncIterator[Telling]:
    async with telling(bus_url) as found:
        yield found


@pytest.fixture
async def http(bus_url: str, services: Telling) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ARG001  (it tells)
    """A client of a gateway of its own, whose cache is in use."""
    with serving(gateway_settings(bus_url)) as served:
        async with served.client() as client:
            await until_answered(client, "/ready", 200)
            await until_kept(served, *CONTEXTS)
            yield client


async def test_what_has_not_changed_is_asked_for_once(
    http: httpx.AsyncClient, services: Telling
) -> None:
    await services.answer(LIST_TASKS, samples.TASKS)
    first = await http.get("/api/tasks?limit=7&cursor=")
    again = await http.get("/api/tasks?cursor=&limit=7")
    assert (first.status_code, first.json()) == (200, again.json())
    own = {name: first.headers[name] for name in ("date", "x-request-id")}
    assert dict(first.headers) == dict(again.headers) | own
    head = await http.head("/api/tasks?limit=7&cursor=")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == first.headers["content-length"]
    assert services.asked(LIST_TASKS) == 1
    bodiless = {"Content-Length": "0"}  # Some clients say so of every request.
    assert (await http.get("/api/tasks?limit=7&cursor=", headers=bodiless)).status_code == 200
    assert services.asked(LIST_TASKS) == 1
    await http.get("/api/tasks?limit=8")
    assert services.asked(LIST_TASKS) == 2


async def test_who_has_the_answer_is_told_so(http: httpx.AsyncClient, services: Telling) -> None:
    await services.answer(LIST_AGENTS, samples.AGENTS)
    tag = (await http.get("/api/agents")).headers["etag"]
    assert tag.startswith('W/"')
    for sent in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        same = await http.get("/api/agents", headers={"If-None-Match": sent})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag), sent
    other = await http.get("/api/agents", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200
    assert services.asked(LIST_AGENTS) == 1


async def test_many_who_ask_at_once_are_one_who_asks(
    http: httpx.AsyncClient, services: Telling
) -> None:
    free = asyncio.Event()

    async def later() -> Model:
        await free.wait()
        return samples.STEPS

    await services.answer(LIST_STEPS, later)
    asking = [asyncio.create_task(http.get("/api/tasks/t1/steps")) for _ in range(20)]
    await until(lambda: services.asked(LIST_STEPS), "somebody asks")
    await asyncio.sleep(0.2)
    free.set()
    answers = await asyncio.gather(*asking)
    assert {answer.text for answer in answers} == {answers[0].text}
    assert services.asked(LIST_STEPS) == 1


async def test_a_hint_ends_what_it_is_about(http: httpx.AsyncClient, services: Telling) -> None:
    await services.answer(LIST_TASKS, samples.TASKS)
    await services.answer(LIST_AGENTS, samples.AGENTS)
    for path in ("/api/tasks", "/api/agents"):
        await http.get(path)
    await services.changed("task", "somebody-else")
    await services.changed("payment", "demo")
    for path in ("/api/tasks", "/api/agents"):
        await http.get(path)
    assert (services.asked(LIST_TASKS), services.asked(LIST_AGENTS)) == (1, 1)
    await services.changed("task", "demo")
    await services.changed("registry", "somebody-else")  # What everybody is shown.
    asked: list[tuple[str, Call[Any, Any]]] = [
        ("/api/tasks", LIST_TASKS),
        ("/api/agents", LIST_AGENTS),
    ]
    for path, call in asked:
        for _ in range(100):  # The hint is on its way through the gateway, too.
            await http.get(path)
            if services.asked(call) == 2:
                break
        assert services.asked(call) == 2
    await services.changed("task")
    await until_answered(http, "/api/tasks", 200)
    for _ in range(100):
        await http.get("/api/tasks")
        if services.asked(LIST_TASKS) == 3:
            return
    pytest.fail("a hint about everybody went unheard")


async def test_a_writer_sees_what_he_wrote_and_nothing_that_was_asked_for_before(
    http: httpx.AsyncClient, services: Telling
) -> None:
    """Without any hint, and although an older answer is on its way."""
    made = [samples.TASK]
    held = asyncio.Event()

    async def slow() -> Model:
        found = TaskList(tasks=[*made])
        if len(made) == 1:
            await held.wait()
        return found

    def create() -> Model:
        made.append(samples.TASK.model_copy(update={"id": "t2"}))
        return TaskReply(task=made[-1])

    await services.answer(LIST_TASKS, slow)
    await services.answer(CREATE_TASK, create)
    before = asyncio.create_task(http.get("/api/tasks"))
    await until(lambda: services.asked(LIST_TASKS), "somebody asks")
    await http.post("/api/tasks", json={"userQuery": "hello"})
    assert len((await http.get("/api/tasks")).json()) == 2
    held.set()
    assert len((await before).json()) == 1
    assert len((await http.get("/api/tasks")).json()) == 2


async def test_what_could_change_unheard_is_asked_for_each_time(
    http: httpx.AsyncClient, services: Telling
) -> None:
    """One replica of release 0.2.0 is enough, which answers without saying that it tells."""
    await services.services.answer(LIST_STEPS, samples.STEPS)
    await services.answer(LIST_TASKS, samples.TASKS)
    await http.get("/api/tasks/t1/steps")
    for _ in range(2):
        await http.get("/api/tasks")
    assert services.asked(LIST_TASKS) == 2


async def test_errors_are_not_kept(http: httpx.AsyncClient, services: Telling) -> None:
    await services.services.answer(GET_AGENT, NotFound("Agent not found"))
    await services.services.answer(GET_TASK, NotFound("Task not found"))
    await services.answer(LIST_TASKS, samples.TASKS)
    for _ in range(2):
        assert_problem(await http.get("/api/agents/a1"), 404)
        assert_problem(await http.get("/api/tasks/t1"), 404)
        assert_problem(await http.get("/api/agents?limit=0"), 422)
        assert_problem(await http.get("/api/agents?limit=1&limit=1"), 422)
    assert len(services.services.asked) == 4
    for _ in range(2):  # And a refusal does not say that the service is an old one.
        assert (await http.get("/api/tasks")).status_code == 200
    assert services.asked(LIST_TASKS) == 1


async def test_an_answer_is_its_accounts_alone(bus_url: str, services: Telling) -> None:
    await services.answer(LIST_TASKS, samples.TASKS)
    await services.answer(LIST_AGENTS, samples.AGENTS)
    await services.answer(FIND_AGENTS, samples.AGENTS)
    mine = await make_key(bus_url, "cache-one", "--scopes", "read")
    too = await make_key(bus_url, "cache-one", "--scopes", "read,write,admin")
    other = await make_key(bus_url, "cache-two", "--scopes", "read,admin")
    writer = await make_key(bus_url, "cache-one", "--scopes", "write")
    with serving(gateway_settings(bus_url, auth_mode="token")) as served:
        async with served.client() as http:
            await until_answered(http, "/ready", 200)
            await until_kept(served, *CONTEXTS)

            async def status(path: str, token: str | None) -> int:
                found = await http.get(path, headers=bearer(token) if token else {})
                return found.status_code

            assert [await status("/api/tasks", one) for one in (mine, too)] == [200, 200]
            assert services.asked(LIST_TASKS) == 1
            assert await status("/api/tasks", other) == 200
            assert services.asked(LIST_TASKS) == 2
            assert await status("/api/tasks", None) == 401
            assert await status("/api/tasks", f"{mine[:-1]}-") == 401
            assert await status("/api/tasks", writer) == 403
            assert [await status("/api/agents", one) for one in (mine, other)] == [200, 200]
            assert [await status("/api/agents", one) for one in (None, writer)] == [401, 403]
            assert services.asked(LIST_AGENTS) == 1
            for number, own in enumerate(("owner=me", "own%65r=me", "%6fwner=me")):
                found = [
                    await status(f"/api/agents?{own}&limit={number + 1}", one)
                    for one in (mine, other)
                ]
                assert found == [200, 200]
                assert services.asked(FIND_AGENTS) == 2 + 2 * number, own


async def test_nothing_outlives_the_connection_to_the_bus(tmp_path: Path) -> None:
    async with embedded_nats_server(tmp_path) as server:
        await declare(server.url)
        with serving(gateway_settings(server.url)) as served:
            async with served.client() as http:
                await until_answered(http, "/ready", 200)
                async with telling(server.url) as services:
                    await until_kept(served, *CONTEXTS)
                    await services.answer(LIST_AGENTS, samples.AGENTS)
                    for _ in range(2):
                        assert (await http.get("/api/agents")).status_code == 200
                    assert services.asked(LIST_AGENTS) == 1
                assert served.gateway.cache.weight
                await server.kill()
                await until(lambda: not served.gateway.cache.weight, "all is forgotten")
                assert_problem(await http.get("/api/agents"), 503)


def test_it_holds_no_more_than_it_may() -> None:
    clock = [100.0]
    small = Cache(10_000, lambda: clock[0])
    small.heard("task", [])
    answer = Answer(200, [], bytes(2000), None)
    for number in range(50):
        clock[0] += 0.001
        small.keep(Key("task", "one", f"/{number}", ()), clock[0] - 0.0005, answer)
        assert small.weight <= 10_000
    assert small.find(Key("task", "one", "/49", ()))
    assert small.find(Key("task", "one", "/0", ())) is None
    small.keep(Key("task", "one", "/large", ()), clock[0], Answer(200, [], bytes(10_000), None))
    assert small.find(Key("task", "one", "/large", ())) is None
    clock[0] += cache.LIVES_S
    small.heard("task", [])
    assert (small.weight, len(small._kept)) == (0, 0)


def test_what_was_asked_for_while_something_could_be_missed_is_not_kept() -> None:
    """Before the first hint, after silence, over a lost connection, and while one does not tell."""
    clock = [100.0]
    kept = Cache(10_000, lambda: clock[0])
    key, answer = Key("task", "one", "/", ()), Answer(200, [], b"", None)

    def counts(asked_at: float) -> bool:
        kept.keep(key, asked_at, answer)
        return kept.find(key) is not None

    def hear_at(now: float) -> None:
        clock[0] = now
        kept.heard("task", [])
        clock[0] = now + 0.2

    assert not counts(99.9)
    hear_at(100.0)
    assert [counts(99.9), counts(100.1)] == [False, True]
    hear_at(100.0 + cache.SILENT_S)
    assert [counts(102.9), counts(103.1)] == [False, True]
    kept.lost()
    assert not counts(103.1)
    hear_at(103.5)
    assert [counts(103.4), counts(103.6)] == [False, True]
    kept.apart("task")
    assert not counts(103.6)
    for moment in range(1, 33):
        hear_at(103.5 + moment)
    assert counts(clock[0] - 0.1)


def test_what_is_known_of_changes_does_not_grow() -> None:
    clock = [100.0]
    kept = Cache(10_000, lambda: clock[0])
    for number in range(10_000):
        clock[0] += 0.01
        kept.heard("task", [f"account-{number}"])
        kept.wrote(f"account-{number}")
    assert len(kept._changed) <= 2 * cache.LIVES_S / 0.01 + 2


@pytest.mark.parametrize(
    "path",
    ["/api/ledger", "/api/turns/t1", "/api/events", "/api/tasks/t1/receipt", "/api/ledger/check"],
)
def test_what_more_than_its_context_decides_is_not_kept(path: str) -> None:
    assert _KEPT.fullmatch(path) is None
