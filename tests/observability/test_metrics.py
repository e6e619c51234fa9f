"""What each process tells Prometheus, asked over HTTP of services that run for real."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from chassis.bus.envelopes import new_id, origin
from chassis.http.probes import probes
from chassis.observability import readings
from chassis.service import Service
from chat_svc.app import build as build_chat
from chat_svc.settings import Settings as ChatSettings
from contracts.errors import NotFound
from contracts.registry import GET_AGENT, LIST_AGENTS, GetAgent, ListAgents
from contracts.topology import DURABLES
from payment_svc.app import build as build_payment
from payment_svc.settings import Settings as PaymentSettings
from registry_svc.app import build as build_registry
from registry_svc.settings import Settings as RegistrySettings
from task_svc.app import build as build_task
from task_svc.settings import Settings as TaskSettings
from tests.support.stack import Stack, running

Samples = dict[str, float]


@pytest.fixture(scope="module")
async def services(stack: Stack) -> AsyncIterator[dict[str, Service]]:
    def stores(context: str) -> dict[str, Any]:
        return {"nats_url": stack.nats_url, "database_url": stack.database_url(context)}

    found = {
        "registry": build_registry(RegistrySettings(**stores("registry"))),
        "payment": build_payment(PaymentSettings(**stores("payment"))),
        "task": build_task(TaskSettings(**stores("task"))),
        "chat": build_chat(ChatSettings(**stores("chat"))),
    }
    async with running(*found.values()):
        yield found


async def scraped(service: Service) -> Samples:
    """The page of a service, by name and labels."""
    transport = httpx.ASGITransport(probes(service.name, service.health.able, service.refresh))
    async with httpx.AsyncClient(transport=transport, base_url="http://probe") as http:
        page = await http.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
    }


@pytest.mark.parametrize("name", ["registry", "payment", "task", "chat"])
async def test_every_service_tells_of_its_queues_and_its_outbox(
    services: dict[str, Service], name: str
) -> None:
    found = await scraped(services[name])
    for durable in DURABLES:
        if durable.name.startswith(f"{name}-"):
            assert f"bazaar_consumer_pending['{durable.name}']" in found
            assert f"bazaar_redeliveries_total['{durable.name}']" in found
            assert f"bazaar_dead_letters_total['{durable.name}']" in found
    assert f"bazaar_outbox_rows['{name}']" in found
    assert f"bazaar_outbox_oldest_seconds['{name}']" in found
    assert found[f"bazaar_database_connections{sorted([name, 'size'])}"] > 0
    assert found[f"bazaar_readings_failed_total['{name}']"] == 0


async def test_a_request_is_counted_by_who_asks_and_who_answers(
    services: dict[str, Service],
) -> None:
    before = await scraped(services["registry"])
    await services["chat"].bus.ask(LIST_AGENTS, ListAgents(), origin("test", "test"))
    after = await scraped(services["registry"])
    for name in ("bazaar_requests_total", "bazaar_asked_total"):
        key = f"{name}['200', 'registry.list_agents']"
        assert after[key] == before.get(key, 0) + 1
    key = "bazaar_request_seconds_count['registry.list_agents']"
    assert after[key] == before.get(key, 0) + 1


async def test_a_refusal_is_counted_with_its_status(services: dict[str, Service]) -> None:
    before = await scraped(services["registry"])
    with pytest.raises(NotFound):
        await services["task"].bus.ask(
            GET_AGENT, GetAgent(agent_id=new_id()), origin("test", "test")
        )
    after = await scraped(services["registry"])
    key = "bazaar_requests_total['404', 'registry.get_agent']"
    assert after[key] == before.get(key, 0) + 1


async def test_an_open_hold_and_the_agents_are_seen(
    services: dict[str, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "READ_EVERY_S", 0.0)
    assert (await scraped(services["payment"]))["bazaar_holds_open[]"] >= 0
    assert (await scraped(services["task"]))["bazaar_steps_open['pending']"] >= 0
    registry = await scraped(services["registry"])
    assert registry["bazaar_agents['available']"] + registry["bazaar_agents['away']"] >= 6


async def test_what_is_looked_up_is_looked_up_once_in_a_while(
    services: dict[str, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = services["payment"]
    asked = 0

    async def look(_conn: object) -> None:
        nonlocal asked
        asked += 1

    payment.readings.add(look)
    monkeypatch.setattr(payment.readings, "_read_at", float("-inf"))
    await asyncio.gather(*(scraped(payment) for _ in range(5)))
    assert asked == 1
    monkeypatch.setattr(readings, "READ_EVERY_S", 0.0)
    await scraped(payment)
    assert asked == 2


async def test_a_look_that_fails_is_counted_and_the_page_is_there(
    services: dict[str, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = services["chat"]
    before = await scraped(chat)

    async def fails(_conn: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(chat.readings, "_readings", [fails])
    monkeypatch.setattr(chat.readings, "_read_at", float("-inf"))
    after = await scraped(chat)
    assert after["bazaar_readings_failed_total['chat']"] == (
        before["bazaar_readings_failed_total['chat']"] + 1
    )


async def test_no_label_holds_an_id(services: dict[str, Service]) -> None:
    """Every id would be a series of its own, for ever."""
    found = await scraped(services["payment"])
    ours = [name for name in found if "probe-" not in name]  # Other tests' durables are made up.
    assert not [name for name in ours if re.search(r"[0-9a-f]{16}", name)]
