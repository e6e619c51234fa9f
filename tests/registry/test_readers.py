"""What is read of A2A agents and MCP servers when they are listed."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.outbound import AddressRefused, Outbound
from chassis.protocols.a2a_card import NoCard, places, read_card
from contracts.errors import BadAnswer
from registry_svc.readers import a2a, info, mcp
from tests.chassis.raw_agent import RawAgent, plain, sends, then_silence, trickles
from tests.contracts.values import JSON
from tests.support.scripted_agent import ScriptedAgent
from tests.task.a2a_agent import a2a_agent
from tests.task.mcp_tools import tools_of

TIMEOUT_S = 10.0


@pytest.fixture
async def http() -> AsyncIterator[Outbound]:
    client = Outbound(("127.0.0.1",))
    yield client
    await client.aclose()


OLD = {
    "name": "Old",
    "description": "It is.",
    "url": "https://a.example/rpc",
    "protocolVersion": "0.3.0",
    "skills": [{"id": "talk", "name": "Talking", "tags": ["speech"]}],
}
NEW = {
    "name": "New",
    "supportedInterfaces": [
        {"url": "https://a.example/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
    ],
}


def interfaces(*kinds: tuple[str, str]) -> list[dict[str, str]]:
    return [
        {"url": f"https://a.example/{n}", "protocolBinding": binding, "protocolVersion": version}
        for n, (binding, version) in enumerate(kinds)
    ]


WIRES: dict[str, tuple[dict[str, Any], tuple[str, str, str]]] = {
    "old": (OLD, ("/rpc", "JSONRPC", "0.3")),
    "old, of a patch": (OLD | {"protocolVersion": "0.3.17"}, ("/rpc", "JSONRPC", "0.3")),
    "old, that does not say": (
        {name: value for name, value in OLD.items() if name != "protocolVersion"},
        ("/rpc", "JSONRPC", "0.3"),
    ),
    "old, by REST": (OLD | {"preferredTransport": "HTTP+JSON"}, ("/rpc", "HTTP+JSON", "0.3")),
    "old, with more": (
        OLD
        | {
            "preferredTransport": "GRPC",
            "additionalInterfaces": [{"url": "https://a.example/x", "transport": "jsonrpc"}],
        },
        ("/x", "JSONRPC", "0.3"),
    ),
    "new": (NEW, ("/rpc", "JSONRPC", "1.0")),
    "new, of a patch": (
        {"name": "x", "supportedInterfaces": interfaces(("JSONRPC", "1.0.3"))},
        ("/0", "JSONRPC", "1.0"),
    ),
    "of both wires": (
        {"name": "x", "supportedInterfaces": interfaces(("JSONRPC", "0.3"), ("HTTP+JSON", "1.0"))},
        ("/1", "HTTP+JSON", "1.0"),
    ),
    "in small letters": (
        {"name": "x", "supportedInterfaces": interfaces(("grpc", "1.0"), ("jsonrpc", "1.2"))},
        ("/1", "JSONRPC", "1.0"),
    ),
    "with what nobody knows": (
        NEW | {"price": 3, "skills": 7, "capabilities": None, "provider": [], "description": 5},
        ("/rpc", "JSONRPC", "1.0"),
    ),
}


@pytest.mark.parametrize("name", WIRES)
def test_a_card_of_any_wire_is_read(name: str) -> None:
    said, (path, binding, wire) = WIRES[name]
    found = read_card(json.dumps(said).encode()).interface
    assert (found.url, found.binding, found.wire) == (f"https://a.example{path}", binding, wire)


NONE: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"<html>",
    "no object": b"[]",
    "empty": b"{}",
    "health": b'{"status": "healthy"}',
    "our own": b'{"name": "x", "skills": ["a"], "base_price": 1}',
    "twice": b'{"name": "x", "name": "y"}',
    "later": json.dumps(OLD | {"protocolVersion": "2.0"}).encode(),
    "before": json.dumps(OLD | {"protocolVersion": "0.2.6"}).encode(),
    "gRPC alone": json.dumps(OLD | {"preferredTransport": "GRPC"}).encode(),
    "deep": b'{"name":' + b"[" * 50_000,
}


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_card_is_refused_in_words(name: str) -> None:
    with pytest.raises(NoCard, match=r".+\.$"):
        read_card(NONE[name])


def refusal(card: bytes) -> str | None:
    """Why this is not taken; None when it is."""
    try:
        read_card(card)
    except NoCard as error:
        return str(error)
    return None


@given(JSON, st.sampled_from(sorted(OLD)))
def test_any_member_may_be_anything(value: Any, member: str) -> None:
    assert refusal(json.dumps(OLD | {member: value}).encode()) != ""


def test_a_card_is_looked_for_under_the_path_and_at_the_origin() -> None:
    assert places("https://a.example/x/y/") == [
        "https://a.example:443/x/y/.well-known/agent-card.json",
        "https://a.example:443/x/y/.well-known/agent.json",
        "https://a.example:443/.well-known/agent-card.json",
        "https://a.example:443/.well-known/agent.json",
    ]
    assert places("http://a.example/c.json")[0] == "http://a.example/c.json"
    with pytest.raises(AddressRefused):
        places("ftp://a.example")


@pytest.mark.parametrize("path", ["", "/under/here"])
@pytest.mark.parametrize("wire", ["1.0", "0.3"])
async def test_an_agents_card_is_one_offer(http: Outbound, wire: str, path: str) -> None:
    async with a2a_agent(wire, path=path) as served:
        (offer,) = await a2a.read(http, served.url, TIMEOUT_S)
    assert (offer.name, offer.description) == ("Words", "Does what it is told.")
    assert offer.skills == ("talk", "speech")
    assert (offer.protocol, offer.tool, offer.endpoint_url) == ("a2a", None, served.url)
    assert (offer.base_price, offer.capabilities) == (None, ("streaming",))
    assert offer.input_schema
    assert offer.input_schema["required"] == ["text"]


async def test_a_card_that_leads_into_our_network_is_refused(http: Outbound) -> None:
    evil = OLD | {"url": "http://169.254.169.254/latest/meta-data"}
    async with ScriptedAgent(info=evil) as agent:
        with pytest.raises(BadAnswer, match="metadata address"):
            await a2a.read(http, agent.url, TIMEOUT_S)


async def test_a_servers_tools_are_offers(http: Outbound) -> None:
    async with tools_of() as tools:
        found = {offer.tool: offer for offer in await mcp.read(http, tools.url, TIMEOUT_S)}
    assert {"shout", "weather", "files"} <= set(found)
    weather = found["weather"]
    assert (weather.protocol, weather.endpoint_url) == ("mcp", tools.url)
    assert (weather.skills, weather.base_price) == (("weather",), None)
    assert weather.input_schema
    assert set(weather.input_schema["properties"]) == {"city", "days"}


async def test_an_old_servers_tools_are_offers_too(http: Outbound) -> None:
    async with tools_of(old=True) as tools:
        assert len(await mcp.read(http, tools.url, TIMEOUT_S)) > 3


HOSTILE = {
    "no HTTP": sends(b"hello there", close=True),
    "another thing": sends(plain(b'{"status": "healthy"}')),
    "not there": sends(plain(b"no", "404 Not Found")),
    "a redirect": sends(plain(b"", "302 Found", b"location: http://169.254.169.254/\r\n")),
    "endless": sends(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[", b"[" * 9_000, times=900
    ),
    "silent": then_silence(b""),
    "slow": trickles(b"HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n", b"{"),
    "shorter than it says": sends(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n{}",
        close=True,
    ),
    "larger than is read": sends(
        plain(b'{"name": "' + b"x" * 3_000_000 + b'"}', extra=b"content-type: application/json\r\n")
    ),
    "deep": sends(plain(b'{"name": ' + b"[" * 60_000, extra=b"content-type: application/json\r\n")),
    "of another type": sends(plain(b"<html></html>", extra=b"content-type: text/html\r\n")),
    "unpacks to much": sends(plain(b"\x1f\x8b" * 99, extra=b"content-encoding: gzip\r\n")),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("read", [a2a.read, mcp.read, info.read], ids=["a2a", "mcp", "native"])
async def test_a_hostile_place_is_refused_in_words(http: Outbound, read: Any, name: str) -> None:
    async with RawAgent(HOSTILE[name]) as raw:
        with pytest.raises(BadAnswer, match=r".+\.$"):
            await read(http, raw.url, 1.5)


@pytest.mark.parametrize("read", [a2a.read, mcp.read], ids=["a2a", "mcp"])
async def test_an_address_of_our_network_is_not_asked(http: Outbound, read: Any) -> None:
    with pytest.raises(BadAnswer, match=r"private address|may not be called"):
        await read(http, "http://10.0.0.1/x", TIMEOUT_S)
