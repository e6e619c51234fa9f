"""The whole system as a user has it: where it answers.

`BAZAAR_E2E` says where it comes from: `local` (the default) starts it with the local runner;
`compose` starts it with docker compose (`make test-compose`);
`given` takes one that runs already, at `BAZAAR_E2E_URL` and `BAZAAR_E2E_NATS_URL`, and leaves out
the tests that do something to its processes.
"""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import nats
from nats.aio.client import Client

from deploy.local.settings import AGENTS
from tests.support.clients import http_client

MODE = os.environ.get("BAZAAR_E2E") or "local"
if MODE not in ("local", "compose", "given"):
    raise ValueError(f"BAZAAR_E2E is {MODE!r}, but it can only be local, compose or given")
WEBHOOK_SECRET = "whsec_of-the-end-to-end-tests"
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class System:
    """A running system.

    Attributes:
        agents: ids of the agents that it starts with.
        agent_host: where its services find agents that the tests run.
    """

    base_url: str
    nats_url: str
    agents: tuple[str, ...] = AGENTS
    agent_host: str = "127.0.0.1"

    def client(self, timeout_s: float = TIMEOUT_S) -> httpx.AsyncClient:
        """An HTTP client for it."""
        return http_client(base_url=self.base_url, timeout=timeout_s, trust_env=False)

    @asynccontextmanager
    async def bus(self) -> AsyncIterator[Client]:
        """A NATS connection to it."""
        client = await nats.connect(self.nats_url)
        try:
            yield client
        finally:
            await client.close()


def given(env: Mapping[str, str]) -> System:
    """A system that runs already."""
    return System(env["BAZAAR_E2E_URL"], env["BAZAAR_E2E_NATS_URL"])
