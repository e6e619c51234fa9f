"""A registry behind a gateway, and people with keys who list, change and look for agents."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from chassis.service import Service
from registry_svc.app import build
from tests.gateway.credentials import bearer, make_key
from tests.gateway.reading import fresh
from tests.registry.helpers import registry_settings
from tests.support.gateways import gateway_settings, serving, until_answered
from tests.support.stack import Stack, running


@dataclass
class Market:
    """Clients of one gateway, by account; `admin` may act for all."""

    service: Service
    alice: httpx.AsyncClient
    bob: httpx.AsyncClient
    admin: httpx.AsyncClient


@asynccontextmanager
async def market(stack: Stack, **settings: Any) -> AsyncIterator[Market]:
    service = build(registry_settings(stack, **settings))
    async with running(service), AsyncExitStack() as exits:
        served = exits.enter_context(serving(gateway_settings(stack.nats_url, auth_mode="token")))
        people = {}
        for account, scopes in (
            ("alice", "read,write"),
            ("bob", "read,write"),
            ("admin", "read,write,admin"),
        ):
            key = await make_key(stack.nats_url, account, "--scopes", scopes)
            client = served.client()
            client.headers.update(bearer(key))
            people[account] = await exits.enter_async_context(client)
        await until_answered(people["alice"], "/api/agents", 200)
        yield Market(service, **people)


def listing(**more: Any) -> dict[str, Any]:
    """A body of POST /api/agents that says all there is to say."""
    id_ = fresh("agent")
    return {
        "id": id_,
        "endpointUrl": "http://127.0.0.1:9",
        "name": f"Writer {id_}",
        "description": "Writes.",
        "skills": ["write"],
        "basePrice": 0.07,
    } | more


async def ids(client: httpx.AsyncClient, **asked: Any) -> list[str]:
    """The ids of all that is found, page by page."""
    found: list[str] = []
    path: str | None = "/api/agents"
    params: dict[str, Any] | None = asked
    while path:
        answer = await client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        found += [agent["id"] for agent in answer.json()]
        path, params = answer.links.get("next", {}).get("url"), None
    return found
