"""Services in processes of their own, as in production."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from deploy.local.forks import Forked
from deploy.local.ports import free_port
from deploy.local.process import Process, start
from tests.support.clients import http_client
from tests.support.polling import DEADLINE_S, eventually

PROJECT = Path(__file__).resolve().parents[2]


@dataclass
class ServiceProcess:
    """A service in a process of its own, as in production."""

    popen: "subprocess.Popen[bytes] | Forked"
    log: Path
    port: int
    http: httpx.AsyncClient = field(repr=False)
    said: str = field(default="", repr=False)

    def text(self) -> str:
        """Its log; also after its end, when the file is gone."""
        return self.log.read_text() if self.log.exists() else self.said

    def lines(self) -> list[dict[str, Any]]:
        """Its log; every line must be a JSON object."""
        return [json.loads(line) for line in self.text().splitlines()]

    async def get(self, path: str) -> httpx.Response | None:
        """An answer of its probes; None while nobody listens."""
        try:
            return await self.http.get(f"http://127.0.0.1:{self.port}{path}")
        except httpx.TransportError:
            return None

    async def is_ready(self) -> bool:
        assert self.popen.poll() is None, self.text()
        answer = await self.get("/ready")
        return answer is not None and answer.is_success

    async def ends(self, within_s: float = DEADLINE_S) -> int:
        """Waits for its end; its exit code."""

        async def ended() -> bool:
            return self.popen.poll() is not None

        await eventually(ended, within_s)
        return self.popen.wait()

    async def says(self, words: str) -> None:
        """Waits for words in its log."""

        async def said() -> bool:
            return words in self.text()

        await eventually(said)

    def kill(self) -> None:
        """Ends it as a crash would."""
        self.popen.kill()
        self.popen.wait()

    def terminate(self) -> None:
        """Asks it to end, as whatever deploys it would."""
        self.popen.send_signal(signal.SIGTERM)


@asynccontextmanager
async def process(package: str, **env: object) -> AsyncIterator[ServiceProcess]:
    """`python -m <package>` with an environment of its own; not waited for."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bazaar-test-") as folder:
        given = {name: str(value) for name, value in env.items()}
        child = start(
            Process(
                name="service",
                argv=[package],
                module=True,
                env={
                    "PATH": os.environ.get("PATH", os.defpath),
                    "PYTHONPATH": str(PROJECT),
                    "HEALTH_PORT": str(port),
                    **given,
                },
                cwd=Path(folder),
            ),
            Path(folder),
        )
        async with http_client(trust_env=False, timeout=5) as http:
            service = ServiceProcess(child.popen, child.log, port, http)
            try:
                yield service
            finally:
                service.kill()
                service.said = service.text()
