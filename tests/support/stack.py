"""The servers of a run, migrated and declared as in production, and services that run on them."""

import asyncio
import contextlib
import gc
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import nats
from alembic import command

from chassis import migrate, topology
from chassis.provision import Logins, provision
from chassis.service import Service
from deploy.local.embedded import (
    EmbeddedServer,
    embedded_nats_server,
    embedded_postgres_server,
)

CONTEXTS = ("registry", "task", "payment", "chat")


@dataclass
class Stack:
    """The embedded servers and where each service finds its own schema."""

    postgres: EmbeddedServer
    nats: EmbeddedServer

    @property
    def admin_url(self) -> str:
        return self.postgres.url

    @property
    def nats_url(self) -> str:
        return self.nats.url

    def database_url(self, context: str) -> str:
        """DSN of a service's own role."""
        _, at, place = self.postgres.url.rpartition("@")
        return f"postgresql://bazaar_{context}:secret-{context}{at}{place}"

    def owner_url(self, context: str) -> str:
        """DSN of the role that owns a service's schema, and migrates it."""
        _, at, place = self.postgres.url.rpartition("@")
        return f"postgresql://bazaar_{context}_owner:owner-{context}{at}{place}"


def logins(*contexts: str) -> dict[str, Logins]:
    """The passwords that `Stack` knows."""
    return {name: Logins(service=f"secret-{name}", owner=f"owner-{name}") for name in contexts}


async def declare(nats_url: str) -> None:
    client = await nats.connect(nats_url)
    try:
        await topology.declare(client)
    finally:
        await client.close()


@contextlib.contextmanager
def nothing_is_thrown_away() -> Iterator[None]:
    """While a thread works for long, which would look for garbage, too.

    It finds connections that services of earlier tests left to their loop, and closes them itself:
    uvloop does not expect that of another thread, and the whole process dies of it.
    """
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looked:
            gc.enable()


@contextlib.asynccontextmanager
async def new_stack() -> AsyncIterator[Stack]:
    """Servers of one's own, for tests that kill them."""
    with tempfile.TemporaryDirectory(prefix="bazaar-test-") as folder:
        home = Path(folder)
        await asyncio.to_thread(
            home.chmod, 0o755
        )  # the embedded PostgreSQL may run as another user
        async with embedded_postgres_server(home) as postgres, embedded_nats_server(home) as bus:
            stack = Stack(postgres, bus)
            await provision(postgres.url, logins(*CONTEXTS))
            for name in CONTEXTS:
                config = migrate.alembic_config(f"{name}_svc", stack.owner_url(name))
                with nothing_is_thrown_away():
                    await asyncio.to_thread(command.upgrade, config, "head")
            await declare(bus.url)
            yield stack


@contextlib.asynccontextmanager
async def running(*services: Service) -> AsyncIterator[None]:
    """Services started in this process, and stopped in good order."""
    async with contextlib.AsyncExitStack() as started:
        for service in services:
            await service.start()
            started.push_async_callback(service.stop)
        yield


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the test's own to PostgreSQL."""
    conn = await asyncpg.connect(url)
    try:
        yield conn
    finally:
        await conn.close()
