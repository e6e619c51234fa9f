"""One marketplace for this folder: the four services in this process, behind two gateways.

Callers reach it over HTTP alone, with keys, at either gateway. Cards are charged at a double of
Stripe, and the chat asks a double of Claude; its users pay for the model.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from chassis import topology
from chassis.bus.envelopes import new_id
from chassis.endings import end
from chassis.keeper import Keeper
from chat_svc.handlers import thinking
from payment_svc.app import build as build_payment
from tests.agents.serving import served
from tests.doubles.anthropic import KEY, Double, market
from tests.gateway.credentials import bearer, make_key
from tests.payment.cards_double import StripeDouble
from tests.payment.cards_double import serving as stripe_serving
from tests.payment.cards_system import card_settings
from tests.support.clients import http_client
from tests.support.gateways import gateway_settings, serving, until_answered
from tests.support.polling import eventually
from tests.support.scripted_agent import Behaviour, ScriptedAgent
from tests.support.services import chat_service, registry_service, task_service
from tests.support.stack import Stack, new_stack, running
from tests.support.system import System, listening

Json = dict[str, Any]
ANSWER_S = 60.0
AT_ONCE = 64
"""Calls that an account, and an agent, may have under way here."""
MODEL = "claude-sonnet-5-5"


@dataclass(frozen=True)
class Person:
    """Somebody with an account and a key, known at both gateways."""

    account: str
    first: httpx.AsyncClient
    second: httpx.AsyncClient

    def at(self, number: int) -> httpx.AsyncClient:
        """A gateway: the first for even numbers, the second for odd ones."""
        return (self.first, self.second)[number % 2]

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON of a GET that must succeed."""
        answer = await self.second.get(path, params=query)
        assert answer.status_code == httpx.codes.OK, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def call(
        self, agent_id: str, number: int = 0, key: str | None = None, **more: Any
    ) -> httpx.Response:
        """Call an agent, at one of the gateways."""
        body = {"agentId": agent_id, "payload": {"text": "hello"}} | more
        headers = {"Idempotency-Key": key} if key else {}
        return await self.at(number).post("/api/invoke-agent", json=body, headers=headers)

    async def say(self, content: str, number: int = 0, **more: Any) -> Json:
        """Ask HubChat, and wait for its message."""
        body = {"content": content} | more
        answer = await self.at(number).post("/api/hubchat/message", json=body)
        assert answer.status_code == httpx.codes.OK, answer.text
        found: Json = answer.json()
        assert found["done"], found
        return found

    async def wallet(self) -> Json:
        """What is in the wallet, once nothing is held any more."""

        async def settled() -> Json | None:
            found: Json = await self.get("/api/wallet")
            return found if found["held"] == 0 else None

        found = await eventually(settled)
        assert found is not None
        return found

    async def statuses(self, task_id: str) -> list[str]:
        """Those of a task's steps."""
        return [step["status"] for step in await self.get(f"/api/tasks/{task_id}/steps")]


@dataclass
class Marketplace:
    """The system, and what tests do to it."""

    stack: Stack
    system: System
    stripe: StripeDouble
    claude: Double
    urls: tuple[str, str]
    clients: AsyncExitStack

    async def person(self, grant: str | None = "100") -> Person:
        """A new account with so much in its wallet; None for the 1 that whoever is new gets."""
        account = f"person-{new_id()[:12]}"
        key = await make_key(self.stack.nats_url, account, *(("--grant", grant) if grant else ()))
        first, second = [await self.client(url, key) for url in self.urls]
        return Person(account, first, second)

    async def client(self, url: str, key: str) -> httpx.AsyncClient:
        """Who shows a key at a gateway."""
        client = http_client(
            base_url=url,
            timeout=ANSWER_S,
            headers=bearer(key),
            trust_env=False,
            limits=httpx.Limits(max_connections=None),
        )
        return await self.clients.enter_async_context(client)

    @asynccontextmanager
    async def agent(
        self, *script: Behaviour, name: str | None = None, **more: Any
    ) -> AsyncIterator[tuple[str, ScriptedAgent]]:
        """An agent that is listed and found available, and its id."""
        async with self.system.agent(*script, **more) as (id_, agent):
            if name:
                await self.system.rows(
                    "UPDATE registry.agents SET name = $1 WHERE id = $2", name, id_
                )

            async def available() -> bool:
                return (await self.system.listed(id_)).availability

            await eventually(available)
            yield id_, agent


@asynccontextmanager
async def marketplace() -> AsyncIterator[Marketplace]:
    """All of it, on servers of its own, so that tests may stop them."""
    async with AsyncExitStack() as open_:
        patch = open_.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(thinking, "SPOILED_REST_S", 0.05)
        stack = await open_.enter_async_context(new_stack())
        stripe, claude = StripeDouble(), Double(market.script)
        stripe_url = await open_.enter_async_context(stripe_serving(stripe))
        claude_url = str(open_.enter_context(served(claude.app())).base_url)
        payment = build_payment(
            card_settings(
                stack,
                stripe_url,
                reconcile_s=1,
                wallet_grant="1",
                webhook_key="a key of the tests",
                webhook_hosts="127.0.0.1",
            )
        )
        services = (
            registry_service(stack, probe_every_s=0.5),
            payment,
            task_service(
                stack,
                account_calls=AT_ONCE,
                agent_calls=AT_ONCE,
                lease_s=2,
            ),
            chat_service(
                stack,
                orchestrator="claude",
                anthropic_api_key=KEY,
                anthropic_base_url=claude_url,
                anthropic_model=MODEL,
                charge_llm=True,
            ),
        )
        await open_.enter_async_context(running(*services))
        keeper = Keeper(topology.Settings(_env_file=None, nats_url=stack.nats_url))
        open_.push_async_callback(end, asyncio.create_task(keeper.run()))
        # A busy machine takes long for what nobody here waits for in vain.
        settings = gateway_settings(stack.nats_url, auth_mode="token", chat_wait_s=50)
        gateways = [open_.enter_context(serving(settings)) for _ in range(2)]
        for gateway in gateways:
            async with gateway.client() as http:
                await until_answered(http, "/ready", 200)
        system = await open_.enter_async_context(listening(stack, payment))
        clients = await open_.enter_async_context(AsyncExitStack())
        first, second = (gateway.url for gateway in gateways)
        yield Marketplace(stack, system, stripe, claude, (first, second), clients)
