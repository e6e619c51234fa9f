"""What one question to an agent may cost, on both routes, and where it may lead."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs

from chassis.db.database import Database
from chassis.outbound import Outbound
from contracts.errors import BadAnswer, Invalid, NotFound
from contracts.registry import REGISTER_AGENT
from registry_svc import agents_http, store, tables
from registry_svc.handlers import probes
from tests.chassis.raw_agent import NO_HTTP, TOO_MUCH, TOO_SLOW, Behaviour, RawAgent, plain, sends
from tests.registry.helpers import Client, Replica, asking, due, registered, set_all
from tests.registry.little_agent import INFO, LittleAgent

Ask = Callable[[Outbound, str], Awaitable[object]]
ROUTES: dict[str, Ask] = {"health": agents_http.ask_health, "info": agents_http.ask_info}


async def failure(route: str, url: str) -> str:
    async with asking() as http:
        with pytest.raises(BadAnswer) as caught:
            await ROUTES[route](http, url)
    return caught.value.message


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", TOO_MUCH)
async def test_an_answer_beyond_a_limit_is_none(route: str, name: str) -> None:
    behaviour, why = TOO_MUCH[name]
    if (route, name) == ("health", "many little chunks"):
        why = "bytes"  # It is the lower limit here.
    async with RawAgent(behaviour) as agent:
        message = await failure(route, agent.url)
    assert re.fullmatch(rf"{agent.url}/{route} answers with more than \d+ {why}(, .+)?\.", message)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("behaviour", NO_HTTP.values(), ids=NO_HTTP)
async def test_what_breaks_off_or_is_no_http_is_no_answer(route: str, behaviour: Behaviour) -> None:
    async with RawAgent(behaviour) as agent:
        assert "cannot be reached: " in await failure(route, agent.url)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("behaviour", TOO_SLOW.values(), ids=TOO_SLOW)
async def test_what_does_not_come_in_time_is_no_answer(
    route: str, behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents_http, "PROBE_TIMEOUT_S", 0.3)
    monkeypatch.setattr(agents_http.ask_info, "__defaults__", (0.3,))
    async with RawAgent(behaviour) as agent:
        assert await failure(route, agent.url) == (
            f"{agent.url}/{route} does not answer within 0.3 s."
        )


@pytest.mark.parametrize(
    ("health", "load"),
    [
        (b'{"load": 1e999}', None),
        (b'{"load": -1e999}', None),
        (b'{"load": 1e-999}', 0),
        (b'{"load": Infinity}', None),
        (b'{"load": "50"}', None),
        (b'{"load": true}', None),
        (b'{"load": ' + b"9" * 4_000 + b"}", 100),
        (b'{"load": ' + b"9" * 5_000 + b"}", None),
        (b'{"load": ' + b"[" * 5_000 + b"}", None),
        (b'{"load": 5, "load": [5]}', None),
        (b'{"load": 5, "load": 5}', None),
        ('{"load": 5}'.encode("utf-16"), None),
        ('{"load": 5}'.encode("utf-32"), None),
    ],
    ids=lambda said: str(said)[:24],
)
async def test_a_load_that_is_none_is_no_load(health: bytes, load: int | None) -> None:
    async with LittleAgent() as agent, asking() as http:
        agent.answers["/health"] = health
        assert await agents_http.ask_health(http, agent.url) == agents_http.Health(load, None)


async def test_an_agent_that_says_odd_things_of_itself_ends_no_probe(db: Database) -> None:
    odd = b'{"input_schema": {"maximum": 1e999}, "negotiable": 1e999, "base_price": Infinity}'
    sound = b'{"input_schema": {"maximum": 1e999}, "negotiable": 1e999}'
    async with LittleAgent(load=40) as agent, asking() as http:
        await registered(db, agent)
        for info in (odd, sound):
            agent.answers["/info"] = info
            await set_all(db, info_known=False)
            await due(db)
            await probes.probe_due(db, http, 3600)
            async with db.transaction() as tx:
                found = await store.find(tx.conn, "haiku")
            assert found is not None
            assert (found.available, found.input_schema, found.negotiable) == (True, None, False)


TWICE = b'{"name": "H", "description": "", "skills": ["h"], "base_price": 1, "base_price": 2}'


@pytest.mark.parametrize(
    "info", [TWICE, json.dumps(INFO).encode("utf-16")], ids=["a price twice", "not UTF-8"]
)
async def test_an_info_that_can_be_read_in_two_ways_is_not_listed(
    replica: Replica, client: Client, info: bytes
) -> None:
    async with replica(), LittleAgent(info=info) as agent:
        with pytest.raises(BadAnswer, match="is not a JSON object"):
            await client.ask(REGISTER_AGENT, id="haiku", endpoint_url=agent.url)


@pytest.mark.parametrize("price", ["1_000", "\u0661\u0662", True, 10**400, "1e999", " 1", [1]])
async def test_a_price_that_can_be_read_in_two_ways_is_not_listed(
    replica: Replica, client: Client, price: Any
) -> None:
    async with replica(), LittleAgent(info=INFO | {"base_price": price}) as agent:
        with pytest.raises(BadAnswer, match="cannot be listed"):
            await client.ask(REGISTER_AGENT, id="haiku", endpoint_url=agent.url)


async def test_an_agent_that_wants_to_be_left_alone_is(db: Database) -> None:
    later = plain(b"", "503 Service Unavailable", b"retry-after: 600\r\n")
    waits: list[float] = []
    async with RawAgent(sends(later)) as agent, asking() as http:
        await registered(db, agent)
        for _again in range(2):
            await due(db)
            await probes.probe_due(db, http, 5)
            async with db.transaction() as tx:
                query = select(tables.agent_probes.c.due_at - func.now())
                waits.append((await tx.conn.execute(query)).scalar_one().total_seconds())
        assert agent.connections == 2
    assert all(500 < wait <= 600 for wait in waits)


# --- addresses


LISTING = {"id": "haiku", "name": "H", "description": "", "skills": ["haiku"], "base_price": "1"}
INSIDE = [
    ("http://127.0.0.1:9", "127.0.0.1 is a loopback address"),
    ("http://2130706433", "127.0.0.1 is a loopback address"),
    ("http://localhost:9", "localhost leads to a loopback address"),
    ("http://[::1]", "::1 is a loopback address"),
    ("http://[::ffff:10.0.0.1]", "is a private address"),
    ("http://192.168.1.1", "192.168.1.1 is a private address"),
    ("http://169.254.169.254/latest", "the metadata address of a cloud"),
    ("http://0.0.0.0:9", "an unspecified address"),
    ("http://localhost.:9", "its host is not a name"),
]


async def test_an_agent_inside_is_not_listed(
    replica: Replica, client: Client, subtests: pytest.Subtests
) -> None:
    async with replica(agent_hosts=""):
        for url, why in INSIDE:
            with subtests.test(url=url):
                with pytest.raises(Invalid) as caught:
                    await client.ask(REGISTER_AGENT, **LISTING, endpoint_url=url)
                assert why in caught.value.message
                assert "An agent has a public address" in caught.value.message
                assert "AGENT_HOSTS" in caught.value.message
                with pytest.raises(NotFound):
                    await client.agent("haiku")


async def test_metadata_is_not_listed_even_where_its_host_is_permitted(
    replica: Replica, client: Client
) -> None:
    async with replica(agent_hosts="169.254.169.254"):
        with pytest.raises(Invalid, match="metadata"):
            await client.ask(REGISTER_AGENT, **LISTING, endpoint_url="http://169.254.169.254")


async def test_a_public_address_is_listed_without_being_asked(
    replica: Replica, client: Client
) -> None:
    async with replica(agent_hosts=""):
        found = await client.ask(REGISTER_AGENT, **LISTING, endpoint_url="https://8.8.8.8:1/a")
        assert found.agent.endpoint_url == "https://8.8.8.8:1/a"


async def test_a_name_without_an_address_is_not_listed(replica: Replica, client: Client) -> None:
    async with replica():
        with pytest.raises(BadAnswer, match="its name has no address"):
            await client.ask(REGISTER_AGENT, **LISTING, endpoint_url="http://nowhere.invalid")


async def test_a_listing_that_is_refused_by_now_becomes_unavailable_and_is_told_once(
    db: Database,
) -> None:
    http = Outbound()
    try:
        async with LittleAgent(load=40) as agent:
            await registered(db, agent)
            await set_all(db, available=True, failing_since=None)
            with capture_logs() as logs:
                for _ in range(4):
                    await due(db)
                    await asyncio.wait_for(probes.probe_due(db, http, 3600), 10)
            assert agent.calls["/health"] == 0
    finally:
        await http.aclose()
    async with db.transaction() as tx:
        found = await store.find(tx.conn, "haiku")
    assert found is not None
    assert not found.available
    told = [line for line in logs if line["event"] == "agent is not called"]
    assert len(told) == 1
    assert "127.0.0.1 is a loopback address" in told[0]["why"]
