"""What one gateway was told to do, another one shows: services tell of all that they change."""

import asyncio
import time
from collections.abc import AsyncIterator
from decimal import Decimal

import httpx
import pytest

from chassis.bus.envelopes import new_id
from contracts.catalogue import CONTEXTS
from contracts.registry import REGISTER_AGENT
from gateway import cache
from payment_svc.ledger.wallets import open_wallet
from tests.contract_http.system import Marketplace
from tests.support.gateways import DEADLINE_S, gateway_settings, serving, until_answered
from tests.support.polling import until

LISTS = (
    *("/api/agents", "/api/tasks", "/api/messages", "/api/wallet"),
    *("/api/payments/bazaarbucks", "/api/payments/stripe"),
)


class Pair:
    """A gateway that keeps its answers until it hears better, and one that keeps none."""

    def __init__(self, keeps: httpx.AsyncClient, asks: httpx.AsyncClient) -> None:
        self.keeps = keeps
        self.asks = asks
        self.paths = [*LISTS]

    async def post(self, path: str, body: dict[str, object]) -> dict[str, object]:
        """Have something done by the gateway that keeps nothing."""
        answer = await self.asks.post(path, json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found

    async def agree(self) -> None:
        """Wait until both show the same, whatever is still under way."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            kept = await asyncio.gather(*(self.keeps.get(path) for path in self.paths))
            asked = await asyncio.gather(*(self.asks.get(path) for path in self.paths))
            differ = [a.url.path for a, b in zip(kept, asked, strict=True) if a.text != b.text]
            if not differ:
                return
            assert time.monotonic() < deadline, f"changed unheard: {differ}"
            await asyncio.sleep(0.02)

    def also(self, task_id: object) -> None:
        """Look at this task from now on, too."""
        self.paths += [f"/api/tasks/{task_id}", f"/api/tasks/{task_id}/steps"]


@pytest.fixture(scope="module")
async def pair(market: Marketplace) -> AsyncIterator[Pair]:
    account = f"reads-{new_id()[:8]}"
    await open_wallet(market.payment.database, account, Decimal(1_000))
    url = market.stack.nats_url
    keeps = gateway_settings(url, default_account=account)
    asks = gateway_settings(url, default_account=account, cache_bytes=0)
    with pytest.MonkeyPatch.context() as patch, serving(keeps) as one, serving(asks) as two:
        patch.setattr(cache, "LIVES_S", 3600.0)
        async with one.client() as keeping, two.client() as asking:
            await until_answered(keeping, "/ready", 200)
            await until_answered(asking, "/ready", 200)
            await until(lambda: len(one.gateway.cache._contexts) == len(CONTEXTS), "all are heard")
            yield Pair(keeping, asking)


async def test_a_task_and_its_payments(pair: Pair) -> None:
    await pair.agree()
    task = await pair.post("/api/tasks", {"userQuery": "Say hello.", "maxBudget": 100})
    pair.also(task["id"])
    await pair.agree()
    call = {"agentId": "translator", "taskId": task["id"], "payload": {"text": "hello"}}
    assert len((await pair.keeps.get("/api/tasks")).json()) == 1
    await pair.post("/api/invoke-agent", call)
    await pair.agree()
    paid = {"agentId": "search", "taskId": task["id"], "amount": 1}
    payment = await pair.post("/api/payments/bazaarbucks", paid)
    await pair.agree()
    await pair.post(f"/api/payments/bazaarbucks/{payment['id']}/refund", {})
    await pair.agree()
    other = await pair.post("/api/tasks", {"userQuery": "Wait.", "requiredSkills": ["waiting"]})
    pair.also(other["id"])
    await pair.agree()
    await pair.post(f"/api/tasks/{other['id']}/cancel", {})
    await pair.agree()
    assert (await pair.keeps.get(f"/api/tasks/{other['id']}")).json()["status"] == "failed"


async def test_a_conversation(pair: Pair) -> None:
    await pair.agree()
    said = await pair.post("/api/hubchat/message", {"content": "Translate 'hello' to Spanish."})
    await pair.agree()
    assert len((await pair.keeps.get("/api/messages")).json()) == 2
    pair.also(said["taskId"])
    await pair.agree()
    gone = await pair.asks.delete(f"/api/hubchat/messages/{said['taskId']}")
    assert gone.status_code == 200
    await pair.agree()
    assert (await pair.keeps.get("/api/messages")).json() == []


async def test_an_agent(pair: Pair, market: Marketplace) -> None:
    await pair.agree()
    listing = {
        "id": f"reads-{new_id()[:8]}",
        "name": "Reads",
        "description": "Is listed.",
        "skills": ["reading"],
        "base_price": "3",
        "endpoint_url": market.agent.url,
    }
    await market.system.ask(REGISTER_AGENT, "admin", **listing)
    pair.paths.append(f"/api/agents/{listing['id']}")
    await pair.agree()
    await market.system.ask(REGISTER_AGENT, "admin", **listing | {"base_price": "4"})
    await pair.agree()
