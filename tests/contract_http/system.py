"""Gateways in every auth mode, over HTTP, with the real services behind them in this process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

from chassis import topology
from chassis.bus.envelopes import new_id
from chassis.endings import end
from chassis.keeper import Keeper
from chassis.service import Service
from gateway.settings import Settings
from payment_svc.ledger.wallets import open_wallet
from tests.gateway.credentials import Issuer, issuing, make_key
from tests.support.clients import http_client
from tests.support.gateways import DEADLINE_S, gateway_settings, serving, until_answered
from tests.support.scripted_agent import ScriptedAgent
from tests.support.services import chat_service, payment_service, registry_service, task_service
from tests.support.stack import Stack, running
from tests.support.system import System, listening

SCOPES = "read,write,admin"
MODES = ("none", "token", "jwt")


@dataclass(frozen=True)
class Door:
    """A gateway that is being served.

    Attributes:
        credential: of an account with money, with every scope; None where nobody is asked.
    """

    mode: str
    url: str
    credential: str | None

    def client(self) -> httpx.AsyncClient:
        """A client of somebody who may do everything."""
        headers = {"Authorization": f"Bearer {self.credential}"} if self.credential else {}
        return http_client(base_url=self.url, timeout=DEADLINE_S, headers=headers)


@dataclass
class Marketplace:
    """The services, and an agent that works for all who are listed; gateways are opened to it."""

    stack: Stack
    payment: Service
    system: System
    agent: ScriptedAgent

    @contextlib.asynccontextmanager
    async def door(self, mode: str) -> AsyncIterator[Door]:
        """A gateway in an auth mode, for an account of its own."""
        account = f"contract-{mode}-{new_id()[:8]}"
        await open_wallet(self.payment.database, account, Decimal(1_000_000))
        with issuing() as issuer:
            settings = self._settings(mode, account, issuer)
            credential = await self._credential(mode, account, issuer)
            with serving(settings) as served:
                async with served.client() as http:
                    await until_answered(http, "/ready", 200)
                door = Door(mode, served.url, credential)
                async with door.client() as http:
                    said = await http.post("/api/hubchat/message", json={"content": "Hello."})
                    assert said.status_code == 200, said.text
                    # It is made once, which takes seconds; schemathesis waits for ten.
                    assert (await http.get("/openapi.json", timeout=60)).status_code == 200
                yield door

    def _settings(self, mode: str, account: str, issuer: Issuer) -> Settings:
        quick: dict[str, Any] = {
            "chat_wait_s": 0.05,
            "event_heartbeat_s": 0.2,
            "event_streams": 200,
            "rate_limit_address": "10000000/minute",
            "rate_limit_account": "10000000/minute",
        }
        who = {
            "none": {"default_account": account},
            "token": {},
            "jwt": {
                "jwks_url": issuer.url,
                "jwt_issuer": "https://issuer.example",
                "jwt_audience": "bazaar",
            },
        }
        return gateway_settings(self.stack.nats_url, auth_mode=mode, **quick, **who[mode])

    async def _credential(self, mode: str, account: str, issuer: Issuer) -> str | None:
        if mode == "token":
            return await make_key(self.stack.nats_url, account, "--scopes", SCOPES)
        if mode == "jwt":
            scope = SCOPES.replace(",", " ")
            return issuer.token(issuer.new_key("one"), sub=account, scope=scope)
        return None


@contextlib.asynccontextmanager
async def marketplace(stack: Stack) -> AsyncIterator[Marketplace]:
    """Everything but a gateway."""
    payment = payment_service(stack, webhook_key="a key of the tests")
    async with ScriptedAgent() as agent:
        listed = registry_service(stack, agent.url)
        async with (
            running(listed, payment, task_service(stack), chat_service(stack)),
            listening(stack, payment) as system,
        ):
            keeper = Keeper(topology.Settings(_env_file=None, nats_url=stack.nats_url))
            keeping = asyncio.create_task(keeper.run())
            try:
                yield Marketplace(stack, payment, system, agent)
            finally:
                await end(keeping)
