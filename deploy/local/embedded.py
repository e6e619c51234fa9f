"""A PostgreSQL and a NATS of one's own, for tests: started, stopped, killed at will."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local import nats, postgres
from deploy.local.errors import StartError
from deploy.local.home import passwords
from deploy.local.ports import free_port
from deploy.local.process import POLL_SECONDS, Child, Process, client, start

START_SECONDS = 60.0
STOP_SECONDS = 10.0


@dataclass
class EmbeddedServer:
    """A server under the caller's thumb. All its methods may be called from any event loop."""

    process: Process
    log_dir: Path
    url: str
    """Where it is: an administrator's DSN, or a NATS URL."""
    child: Child | None = None

    async def start(self) -> None:
        """Starts it and returns when it is ready; a StartError with its log if it is not."""
        if self.process.prepare is not None:
            await asyncio.to_thread(self.process.prepare)
        self.child = start(self.process, self.log_dir)
        deadline = time.monotonic() + START_SECONDS
        async with client() as http:
            while not await self.child.is_ready(http):
                if not self.child.alive() or time.monotonic() > deadline:
                    await self.stop()
                    raise StartError(
                        f"{self.process.name} did not come up:\n{self.child.last_words()}"
                    )
                await asyncio.sleep(POLL_SECONDS)

    async def stop(self) -> None:
        """Ends it in good order."""
        if self.child is not None:
            await self.child.stop(STOP_SECONDS)

    async def kill(self) -> None:
        """Ends it as a crash would."""
        if self.child is not None:
            self.child.kill()
            await self.child.stop(0)

    async def restart(self) -> None:
        """Starts it again, on the same port and data, after stopping it if it still runs."""
        await self.stop()
        await self.start()


@asynccontextmanager
async def embedded_postgres_server(
    home: Path, port: int | None = None, *, fast: bool = True
) -> AsyncIterator[EmbeddedServer]:
    """A PostgreSQL with an empty database, on a free port unless one is given.

    Data that `home` has from before is kept.
    """
    port = port or free_port()
    password = passwords(home)["postgres"]
    process = await asyncio.to_thread(postgres.process, home, port, password, fast=fast)
    async with _running(EmbeddedServer(process, home, postgres.dsn(port, password))) as server:
        yield server


@asynccontextmanager
async def embedded_nats_server(
    home: Path, port: int | None = None, *, locked: bool = False
) -> AsyncIterator[EmbeddedServer]:
    """A NATS server with JetStream, on a free port unless one is given.

    Everybody may do everything on it, unless it is `locked`: then it knows the users of
    `contracts.permissions`, with the passwords of `home`.
    """
    port = port or free_port()
    process = nats.process(home, port, free_port(), passwords(home) if locked else None)
    async with _running(EmbeddedServer(process, home, nats.url(port))) as server:
        yield server


@asynccontextmanager
async def _running(server: EmbeddedServer) -> AsyncIterator[EmbeddedServer]:
    try:
        await server.start()
        yield server
    finally:
        await server.stop()
