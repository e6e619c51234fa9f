"""A task service as a process of its own, to be killed."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from deploy.local.ports import free_port
from tests.conftest import Stack
from tests.task.services import eventually

ROOT = Path(__file__).parents[2]


@dataclass
class Replica:
    process: Process

    async def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        await self.process.wait()

    def terminate(self) -> None:
        """Ask it to stop."""
        self.process.send_signal(signal.SIGTERM)

    async def stopped(self) -> int:
        """Wait for its end; its exit status."""
        async with asyncio.timeout(30):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def replica(stack: Stack, **settings: str) -> AsyncIterator[Replica]:
    """`python -m task_svc`, ready to work; ended at the end if it still runs."""
    port = free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": stack.database_url("task"),
        "NATS_URL": stack.nats_url,
        "HEALTH_PORT": str(port),
        "LEASE_S": "1",
        "SWEEP_S": "0.2",
        "AGENT_RETRY_S": "0.01",
        "DEFAULT_BUDGET": "10",
        "AGENT_HOSTS": "127.0.0.1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "task_svc",
        cwd=ROOT,
        env=environment | settings,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(trust_env=False) as http:

            async def ready() -> bool:
                assert process.returncode is None, "it has ended"
                with contextlib.suppress(httpx.TransportError):
                    found = await http.get(f"http://127.0.0.1:{port}/ready")
                    return found.is_success
                return False

            await eventually(ready)
        yield Replica(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
