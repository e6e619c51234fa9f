"""What the tests of the chassis and of the services share: polling, the streams, processes."""

import asyncio
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import asyncpg
import httpx
import nats
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from contracts import envelope
from deploy.local.forks import Forked
from deploy.local.ports import free_port
from deploy.local.process import Process, start

T = TypeVar("T")
PROJECT = Path(__file__).resolve().parents[2]
DEADLINE_S = 30.0


async def eventually(question: Callable[[], Awaitable[T]], within_s: float = DEADLINE_S) -> T:
    """The first true answer to a question; an AssertionError if there is none in time."""
    deadline = time.monotonic() + within_s
    while not (answer := await question()):
        assert time.monotonic() < deadline, f"never true; the last answer was {answer!r}"
        await asyncio.sleep(0.02)
    return answer


class Stored(NamedTuple):
    """A message as a stream keeps it."""

    subject: str
    headers: dict[str, str]
    text: str

    @property
    def type(self) -> str:
        """The event's name, such as `hold.placed`."""
        return ".".join(self.subject.split(".")[2:4])

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found


async def stored(js: JetStreamContext, stream: str, subject: str) -> list[Stored]:
    """What a stream keeps on a subject (wildcards allowed), oldest first."""
    found: list[Stored] = []
    seq = 1
    while True:
        try:
            message = await js.get_msg(stream, seq, subject=subject, next=True, direct=True)
        except NotFoundError:
            return found
        headers = dict(message.headers or {})
        found.append(
            Stored(message.subject or "", headers, (message.data or b"").decode(errors="replace"))
        )
        seq = (message.seq or 0) + 1


async def dead_letters(js: JetStreamContext, consumer: str, message_id: str) -> list[Stored]:
    """The dead letters of a consumer that came of a message with this id."""
    found = await stored(js, "DEADLETTER", f"bazaar.dlq.{consumer}")
    return [letter for letter in found if letter.headers.get(envelope.ID) == message_id]


@asynccontextmanager
async def jetstream(url: str) -> AsyncIterator[JetStreamContext]:
    """A connection of the test's own to NATS."""
    client = await nats.connect(url)
    try:
        yield client.jetstream()
    finally:
        await client.close()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the test's own to PostgreSQL."""
    conn = await asyncpg.connect(url)
    try:
        yield conn
    finally:
        await conn.close()


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
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
            service = ServiceProcess(child.popen, child.log, port, http)
            try:
                yield service
            finally:
                service.kill()
                service.said = service.text()
