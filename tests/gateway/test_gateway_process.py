"""`python -m gateway` as a process: its environment, its log, and how it ends."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.base import Pong, ping_call
from contracts.chat import POST_MESSAGE
from contracts.registry import GET_AGENT
from contracts.task import INVOKE_AGENT
from deploy.local.ports import free_port
from gateway.__main__ import main
from gateway.settings import Settings
from tests.gateway import samples
from tests.support import processes
from tests.support.clients import http_client
from tests.support.gateways import DEADLINE_S, StandIns, assert_problem, until_answered
from tests.support.polling import until
from tests.support.processes import ServiceProcess

PROJECT = Path(__file__).resolve().parents[2]
NO_BUS = "nats://127.0.0.1:1"


@dataclass
class Process:
    """A gateway in a process of its own."""

    service: ServiceProcess
    http: httpx.AsyncClient

    async def end(self) -> list[dict[str, Any]]:
        """Wait until it has ended by itself; its log."""
        await self.service.ends()
        return self.service.lines()


@asynccontextmanager
async def process(ready: int = 200, **env: str) -> AsyncIterator[Process]:
    port = free_port()
    async with (
        processes.process("gateway", PORT=port, **env) as service,
        http_client(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_S) as http,
    ):
        await until_listening(http, service)
        await until_answered(http, "/ready", ready)
        yield Process(service, http)


async def until_listening(http: httpx.AsyncClient, service: ServiceProcess) -> None:
    while True:
        try:
            await http.get("/ready")
        except httpx.ConnectError:
            assert service.popen.poll() is None, service.text()
            await asyncio.sleep(0.05)
        else:
            return


async def test_each_request_is_one_line_without_its_body(bus_url: str, services: StandIns) -> None:
    await services.answer(INVOKE_AGENT, samples.RESULT)
    await services.answer(GET_AGENT, b"nonsense")
    call = {"agentId": "translator", "payload": {"text": "very private"}}
    async with process(NATS_URL=bus_url) as gateway:
        await gateway.http.post("/api/invoke-agent", json=call)
        await gateway.http.get("/api/agents/translator")
        await gateway.http.get("/api/tasks/t1")
        await gateway.http.get("/nothing/private")
        await gateway.http.get("/health")
        gateway.service.terminate()
        log = await gateway.end()

    lines = [line for line in log if line["event"] == "request"]
    short = [(line["method"], line["route"], line["status"]) for line in lines]
    assert short == [
        ("POST", "/api/invoke-agent", 200),
        ("GET", "/api/agents/{id}", 500),
        ("GET", "/api/tasks/{id}", 503),
        ("GET", None, 404),
    ]
    for line in lines[:3]:
        assert line["level"] == "info"
        assert line["service"] == "gateway"
        assert line["account"] == "demo"
        assert isinstance(line["ms"], float)
    envelope = services.got(INVOKE_AGENT)[0].envelope
    assert lines[0]["correlation_id"] == envelope.correlation_id
    assert len({line["correlation_id"] for line in lines}) == len(lines)
    [refused] = [line for line in log if line["event"] == "refused"]
    assert refused["correlation_id"] == lines[1]["correlation_id"]
    assert "private" not in json.dumps(log)
    assert any(line["event"] == "refused" and "shape" in line["error"] for line in log)


async def test_sigterm_lets_requests_finish(bus_url: str, services: StandIns) -> None:
    enough = asyncio.Event()

    async def slow(_request: object) -> object:
        await enough.wait()
        return samples.RESULT

    await services.answer(INVOKE_AGENT, slow)
    await services.answer(POST_MESSAGE, samples.posted)
    async with process(NATS_URL=bus_url, DRAIN_S="60") as gateway:
        calling = asyncio.create_task(
            gateway.http.post("/api/invoke-agent", json={"agentId": "a", "payload": {}})
        )
        saying = asyncio.create_task(
            gateway.http.post("/api/hubchat/message", json={"content": "hello"})
        )
        await until(
            lambda: services.got(INVOKE_AGENT) and services.got(POST_MESSAGE), "both arrived"
        )
        gateway.service.terminate()
        await until_refused(gateway.http)
        enough.set()
        await services.publish(samples.turn_end(services.got(POST_MESSAGE)[0].body.turn_id))

        assert (await calling).json()["result"] == "hola"
        assert (await saying).json()["done"] is True
        log = await gateway.end()
    assert gateway.service.popen.returncode == -signal.SIGTERM
    assert {line["level"] for line in log} == {"info"}


async def test_sigterm_does_not_wait_for_ever(bus_url: str, services: StandIns) -> None:
    await services.answer(INVOKE_AGENT, None)  # takes the request, never answers
    await services.answer(ping_call("task"), Pong(service="task", version="1"))  # but lives
    await services.answer(POST_MESSAGE, samples.posted)
    async with process(NATS_URL=bus_url, DRAIN_S="0.5") as gateway:
        calling = asyncio.create_task(
            gateway.http.post("/api/invoke-agent", json={"agentId": "a", "payload": {}})
        )
        saying = asyncio.create_task(
            gateway.http.post("/api/hubchat/message", json={"content": "hello"})
        )
        await until(
            lambda: services.got(INVOKE_AGENT) and services.got(POST_MESSAGE), "both arrived"
        )
        gateway.service.terminate()

        assert_problem(await calling, 503, "being stopped", "unknown")
        said = await saying
        assert (said.status_code, said.json()["done"]) == (200, False)
        await gateway.end()
    assert gateway.service.popen.returncode == -signal.SIGTERM


async def until_refused(http: httpx.AsyncClient) -> None:
    """Wait until no new connection is taken."""
    async with http_client(base_url=http.base_url, timeout=DEADLINE_S) as fresh:
        while True:
            try:
                await fresh.get("/health", headers={"Connection": "close"})
            except httpx.TransportError:
                return
            await asyncio.sleep(0.02)


async def test_it_stops_while_it_cannot_connect() -> None:
    async with process(ready=503, NATS_URL=NO_BUS) as gateway:
        gateway.service.terminate()
        await gateway.end()
    assert gateway.service.popen.returncode == -signal.SIGTERM


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("UI_DIST", "/nowhere/at/all", ["UI_DIST", "index.html", "/nowhere/at/all"]),
        ("PORT", "99999", ["PORT"]),
        ("CHAT_WAIT_S", "soon", ["CHAT_WAIT_S"]),
        ("CORS_ORIGINS", "*", ["CORS_ORIGINS", "name each origin"]),
        ("AUTH_MODE", "token", ["AUTH_MODE=token needs ID_SECRET"]),
        (
            "AUTH_MODE",
            "jwt",
            ["AUTH_MODE=jwt needs ID_SECRET, JWKS_URL, JWT_ISSUER, JWT_AUDIENCE"],
        ),
        ("TRUSTED_PROXIES", "*", ["TRUSTED_PROXIES", "no address"]),
        ("ALLOWED_HOSTS", "localhost:8000", ["ALLOWED_HOSTS", "without ports"]),
    ],
)
def test_wrong_settings_are_named_and_nothing_starts(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: list[str]
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        main()
    for word in words:
        assert word in str(ended.value.code)


def test_empty_variables_count_as_not_set_and_lists_are_split(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("UI_DIST", "CHAT_WAIT_S", "PORT"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("CORS_ORIGINS", "https://a.example/, https://b.example")
    settings = Settings(_env_file=None)
    assert (settings.ui_dist, settings.chat_wait_s, settings.port) == (None, 25.0, 8000)
    assert settings.cors_origins == ("https://a.example", "https://b.example")


def test_it_needs_no_database_package() -> None:
    """The gateway's image holds none."""
    look = (
        "import sys, gateway.__main__;"
        "print([m for m in ('sqlalchemy', 'asyncpg', 'alembic') if m in sys.modules])"
    )
    done = subprocess.run(  # noqa: S603  (our own words)
        [sys.executable, "-c", look], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
