"""Requests with an `Idempotency-Key`, as tests send them."""

import asyncio
import time
from typing import Any

import httpx

from tests.gateway.reading import fresh
from tests.support.gateways import DEADLINE_S

CALL: dict[str, Any] = {"agentId": "translator", "payload": {"text": "hello"}}
PATH = "/api/invoke-agent"


def key(name: str | None = None) -> dict[str, str]:
    """The header with a key that no other request has."""
    return {"Idempotency-Key": name or fresh("key")}


async def until_carried_out(
    http: httpx.AsyncClient, path: str, body: Any, headers: dict[str, str]
) -> httpx.Response:
    """The first answer that does not say that the request is still being carried out."""
    deadline = time.monotonic() + DEADLINE_S
    while (answer := await http.post(path, json=body, headers=headers)).status_code == 409:
        assert answer.headers["idempotency-outcome"] == "running"
        assert answer.headers["retry-after"] == "1"
        assert time.monotonic() < deadline, answer.text
        await asyncio.sleep(0.05)
    return answer
