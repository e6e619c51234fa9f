"""Names of strangers: what they lead to is looked up and judged at every call."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from chassis.outbound import AddressRefused, Outbound, Unreachable
from tests.chassis.raw_agent import RawAgent, plain, sends
from tests.chassis.test_outbound_calls import HERE, asked


@pytest.fixture
async def http() -> AsyncIterator[Outbound]:
    async with aclosing(Outbound(HERE)) as client:
        yield client


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What names lead to: addresses, or an event to wait for."""
    found: dict[str, Any] = {}

    def look_up(host: str, *_: object, **__: object) -> list[Any]:
        leads_to = found[host]
        if isinstance(leads_to, threading.Event):
            leads_to.wait(30)
            return []
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in leads_to]

    monkeypatch.setattr("chassis.outbound.lookups.socket.getaddrinfo", look_up)
    return found


async def test_a_name_is_kept_while_its_address_is_called(
    http: Outbound, names: dict[str, Any]
) -> None:
    names["agent.test"] = ["127.0.0.1"]
    async with RawAgent(sends(plain(b"x"))) as agent:
        await asked(http, f"http://agent.test:{agent.port}")
    assert f"Host: agent.test:{agent.port}" in agent.heads[0]


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"]])
async def test_a_strangers_name_that_leads_inside_is_not_called(
    http: Outbound, names: dict[str, Any], addresses: list[str]
) -> None:
    names["stranger.test"] = addresses
    async with RawAgent(sends(plain(b"x"))) as agent:
        with pytest.raises(AddressRefused, match=r"^stranger\.test leads to a \w+ address$"):
            await asked(http, f"http://stranger.test:{agent.port}")
    assert agent.connections == 0


async def test_a_name_is_judged_anew_at_every_call(http: Outbound, names: dict[str, Any]) -> None:
    names["agent.test"] = ["127.0.0.1"]
    async with RawAgent(sends(plain(b"x"))) as agent:
        url = f"http://agent.test:{agent.port}"
        await asked(http, url)
        names["agent.test"] = ["169.254.169.254"]
        with pytest.raises(AddressRefused, match="metadata"):
            await asked(http, url)
        with pytest.raises(AddressRefused, match="metadata"):
            await http.judge(url, 1.0)
    assert len(agent.heads) == 1


async def test_a_name_without_an_address_is_unreachable(
    http: Outbound, names: dict[str, Any]
) -> None:
    names["nowhere.test"] = []
    with pytest.raises(Unreachable, match="its name has no address"):
        await asked(http, "http://nowhere.test")


async def test_names_that_are_slow_to_look_up_hold_up_nobody_else(
    http: Outbound, names: dict[str, Any]
) -> None:
    never = threading.Event()
    names |= {f"slow-{n}.test": never for n in range(100)} | {"agent.test": ["127.0.0.1"]}
    before = threading.active_count()
    slow = [asyncio.create_task(http.judge(f"http://slow-{n}.test", 20)) for n in range(100)]
    again = [asyncio.create_task(http.judge("http://slow-0.test", 20)) for _ in range(100)]
    async with RawAgent(sends(plain(b"x"))) as agent:
        await asked(http, agent.url)
        await asked(http, f"http://agent.test:{agent.port}")
    assert threading.active_count() - before < 50
    with pytest.raises(Unreachable, match="looked up in time"):
        await http.judge("http://slow-1.test", 0.05)
    for call in (*slow, *again):
        call.cancel()
    await asyncio.gather(*slow, *again, return_exceptions=True)
    never.set()
