"""The same asked again on a connection: answered at once, and as all layers would answer it."""

import asyncio
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from inspect import iscoroutinefunction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.registry import LIST_AGENTS
from contracts.spending import FIND_SPENDER, Credential
from contracts.task import CREATE_TASK, LIST_TASKS, TaskList, TaskReply
from deploy.local.embedded import embedded_nats_server
from gateway import remembering, spenders
from gateway.again import MOST, MOST_BYTES, Again, RepeatingProtocol
from gateway.app import create_app
from gateway.cache import Answer, Cache, Key
from gateway.layers import stack
from gateway.layers.limits import BodyLimit
from tests.gateway import samples
from tests.gateway.credentials import keytool_says, make_key
from tests.gateway.telling import Telling, telling, unhurried
from tests.gateway.wire import connected, gateway, get, other_end, repeats, shown
from tests.support.gateways import Served, gateway_settings
from tests.support.polling import eventually
from tests.support.stack import declare


@pytest.fixture(autouse=True)
def _unhurried(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if iscoroutinefunction(request.function):  # The others have a clock of their own.
        unhurried(monkeypatch)


@pytest.fixture
async def services(bus_url: str) -> AsyncIterator[Telling]:
    async with telling(bus_url) as found:
        await found.answer(LIST_TASKS, samples.TASKS)
        await found.answer(LIST_AGENTS, samples.AGENTS)
        yield found


async def test_what_is_asked_again_is_answered_as_before(bus_url: str, services: Telling) -> None:
    async with gateway(bus_url) as served, connected(served) as wire, connected(served) as other:
        before = await repeats(served)
        asked = get("/api/tasks?limit=7", "Origin: http://localhost:5000")
        first, *rest = [await wire.ask(asked) for _ in range(6)]
        fresh = await other.ask(asked)
        assert first.status_code == 200
        assert "access-control-allow-origin" in first.headers
        for answer in (*rest, fresh):
            assert [*answer.headers] == [*first.headers], "in the same order"
            assert shown(answer) == shown(first)
        ids = {answer.headers["x-request-id"] for answer in (first, *rest, fresh)}
        assert len(ids) == 7
        # The first was asked for, the second came from the cache, and was remembered.
        assert await repeats(served) - before == 4
    assert services.asked(LIST_TASKS) == 1


async def test_who_has_the_answer_is_told_so_again(bus_url: str, services: Telling) -> None:
    async with gateway(bus_url) as served, connected(served) as wire:
        before = await repeats(served)
        tag = (await wire.ask(get("/api/agents"))).headers["etag"]
        same = [await wire.ask(get("/api/agents", f"If-None-Match: {tag}")) for _ in range(3)]
        assert {(one.status_code, one.content, one.headers["etag"]) for one in same} == {
            (304, b"", tag)
        }
        assert await repeats(served) - before == 2
    assert services.asked(LIST_AGENTS) == 1


async def test_it_is_logged_and_counted_as_any_request(
    bus_url: str, services: Telling, capsys: pytest.CaptureFixture[str]
) -> None:
    del services
    async with gateway(bus_url) as served, connected(served) as wire:
        before = await repeats(served)
        answers = [await wire.ask(get("/api/tasks")) for _ in range(4)]
        assert await repeats(served) - before == 2
    lines = capsys.readouterr().out.splitlines()
    for answer in answers:
        (line,) = [one for one in lines if answer.headers["x-request-id"] in one]
        for part in ("request", "route=/api/tasks", "status=200", "method=GET", "account=demo"):
            assert part in line


async def test_a_write_is_seen_by_whoever_asks_again(bus_url: str, services: Telling) -> None:
    await services.answer(CREATE_TASK, TaskReply(task=samples.TASK))
    async with gateway(bus_url) as served, connected(served) as wire, served.client() as http:
        for number in range(3):
            for _ in range(3):
                await wire.ask(get("/api/tasks"))
            before = services.asked(LIST_TASKS)
            made = await http.post("/api/tasks", json={"userQuery": "hello"})
            assert made.status_code == 200
            await wire.ask(get("/api/tasks"))
            assert services.asked(LIST_TASKS) == before + 1, number


async def test_a_hint_ends_what_is_given_again(bus_url: str, services: Telling) -> None:
    async with gateway(bus_url) as served, connected(served) as wire:
        for _ in range(3):
            await wire.ask(get("/api/tasks"))
        assert services.asked(LIST_TASKS) == 1
        await services.answer(LIST_TASKS, TaskList(tasks=[]))
        await services.changed("task", "demo")

        async def anew() -> bool:
            await wire.ask(get("/api/tasks"))
            return services.asked(LIST_TASKS) > 1

        await eventually(anew)


async def test_a_limit_counts_what_is_given_again(bus_url: str, services: Telling) -> None:
    del services
    async with gateway(bus_url, rate_limit_address="5/hour") as served, connected(served) as wire:
        found = [await wire.ask(get("/api/agents")) for _ in range(7)]
        assert [one.status_code for one in found] == [200] * 5 + [429] * 2
        assert "5 per 1 hour" in found[-1].text


async def test_a_limit_of_an_account_counts_it(bus_url: str, services: Telling) -> None:
    del services
    key = await make_key(bus_url, "again-counted", "--scopes", "read")
    asked = get("/api/agents", f"Authorization: Bearer {key}")
    limits = {"auth_mode": "token", "rate_limit_account": "4/hour"}
    async with gateway(bus_url, **limits) as served, connected(served) as wire:
        found = [await wire.ask(asked) for _ in range(6)]
        assert [one.status_code for one in found] == [200] * 4 + [429] * 2


async def test_a_revoked_key_is_refused_on_its_open_connection(
    bus_url: str, services: Telling
) -> None:
    del services
    key = await make_key(bus_url, "again-revoked", "--scopes", "read")
    asked = get("/api/tasks", f"Authorization: Bearer {key}")
    async with gateway(bus_url, auth_mode="token") as served, connected(served) as wire:
        before = await repeats(served)
        for _ in range(4):
            assert (await wire.ask(asked)).status_code == 200
        assert await repeats(served) - before == 2
        await keytool_says(bus_url, "revoke", key.split("_")[1])

        async def refused() -> bool:
            return (await wire.ask(asked)).status_code == 401

        await eventually(refused)


async def test_what_is_no_longer_remembered_of_a_credential_is_asked_for(
    bus_url: str, services: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key of a person, which the payment service knows: it is over, and nothing tells."""
    id_, token, hash_ = spenders.fresh()
    terms = {"id": id_, "hash": hash_, "kind": "key", "scopes": ["read"], "limited": False}
    known = Credential.model_validate(terms | {"account": "again-key"})
    await services.answer(FIND_SPENDER, known)
    asked = get("/api/tasks", f"Authorization: Bearer {token}")
    async with gateway(bus_url, auth_mode="token") as served, connected(served) as wire:
        before = await repeats(served)
        for _ in range(4):
            assert (await wire.ask(asked)).status_code == 200
        assert await repeats(served) - before == 2
        assert services.asked(FIND_SPENDER) == 1
        monkeypatch.setattr(remembering, "REMEMBERED_S", 0.0)
        assert (await wire.ask(asked)).status_code == 200
        assert services.asked(FIND_SPENDER) == 2
        assert await repeats(served) - before == 2


PIECES = [
    get("/api/agents"),
    get("/api/tasks"),
    b"POST /api/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    % (len(get("/api/agents")), get("/api/agents")),
    get("/api/none"),
    get("/api/agents", "X-Other: 1"),
]
STATUS = [200, 200, 400, 404, 200]


@settings(max_examples=60, deadline=None)
@given(
    chosen=st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 4]), min_size=1, max_size=9),
    cuts=st.lists(st.integers(min_value=1, max_value=400), max_size=9),
    waits=st.booleans(),
)
def test_however_requests_are_cut_their_answers_are_the_same(
    cutting: "Cutting", chosen: list[int], cuts: list[int], *, waits: bool
) -> None:
    """Bytes that were a request once may be a part of another, or have another one behind them."""
    assert cutting.answers(chosen, cuts, waits=waits) == [STATUS[one] for one in chosen]


class Cutting:
    """A loop with a gateway for an example at a time."""

    def __init__(self, runner: asyncio.Runner, served: Served) -> None:
        self._runner = runner
        self._served = served

    def answers(self, chosen: list[int], cuts: list[int], *, waits: bool) -> list[int]:
        return self._runner.run(self._answers(chosen, cuts, waits=waits))

    async def _answers(self, chosen: list[int], cuts: list[int], *, waits: bool) -> list[int]:
        async with connected(self._served) as wire:
            for _ in range(2):  # What may be given again is remembered.
                await wire.ask(PIECES[0])
            whole = b"".join(PIECES[one] for one in chosen)
            places = sorted({cut for cut in cuts if cut < len(whole)})
            parts = [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]
            for part in parts:
                wire.writer.write(part)
                await wire.writer.drain()
                if waits:
                    await asyncio.sleep(0.001)
            return [(await wire.read()).status_code for _ in chosen]


@pytest.fixture(scope="module")
def cutting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cutting]:
    """On a bus of its own: its stand-ins answer nobody between two examples."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Served]:
        async with embedded_nats_server(tmp_path_factory.mktemp("again-nats")) as server:
            await declare(server.url)
            async with telling(server.url) as services, gateway(server.url) as served:
                await services.answer(LIST_TASKS, samples.TASKS)
                await services.answer(LIST_AGENTS, samples.AGENTS)
                yield served

    with asyncio.Runner() as runner:
        everything = opened()
        served = runner.run(everything.__aenter__())
        yield Cutting(runner, served)
        runner.run(everything.__aexit__(None, None, None))


async def test_a_connection_remembers_little(bus_url: str, services: Telling) -> None:
    async with gateway(bus_url) as served, connected(served) as wire:
        for number in range(3 * MOST):
            for _ in range(3):
                assert (await wire.ask(get(f"/api/tasks?limit={number + 1}"))).status_code == 200
        before = await repeats(served)
        long = get("/api/tasks", f"X-Long: {'x' * MOST_BYTES}")
        for _ in range(4):
            assert (await wire.ask(long)).status_code == 200
        assert await repeats(served) == before
        protocol = other_end(wire)
        assert len(protocol._repeats) == MOST
        wire.writer.close()
        await eventually(lambda: _is_empty(protocol))
    assert services.asked(LIST_TASKS) == 3 * MOST + 1


async def _is_empty(protocol: RepeatingProtocol) -> bool:
    return not protocol._repeats


def test_nothing_keeps_an_answer_that_the_cache_has_dropped() -> None:
    clock = [100.0]
    cache = Cache(100_000, lambda: clock[0])
    cache.heard("task", [])
    key = Key("task", "one", "/", ())
    answer = Answer(200, [], b"x" * 1000, None)
    clock[0] += 0.1
    cache.keep(key, clock[0], answer)
    known = weakref.ref(answer)
    del answer
    assert cache.find(key) is known()
    clock[0] += 10
    cache.heard("task", [])
    assert known() is None


@pytest.mark.parametrize("auth_mode", ["none", "token", "jwt"])
def test_every_layer_around_the_cache_is_one_that_may_be_repeated(auth_mode: str) -> None:
    """A new layer has to say what it would look at again; until then nothing is given again."""
    more: dict[str, Any] = {"auth_mode": auth_mode, "allowed_hosts": "example.org"}
    if auth_mode == "jwt":
        more |= {"jwt_issuer": "i", "jwt_audience": "a", "jwks_url": "http://127.0.0.1:1/"}
    app = create_app(gateway_settings("nats://127.0.0.1:1", **more))
    assert isinstance(app.middleware_stack, Again)


def test_a_layer_that_says_nothing_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "REPEATED", stack.REPEATED - {BodyLimit})
    app = create_app(gateway_settings("nats://127.0.0.1:1"))
    assert not isinstance(app.middleware_stack, Again)
