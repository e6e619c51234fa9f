"""A gateway served over real HTTP, and stand-ins for the services that it asks."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import nats
from fastapi import FastAPI
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from chassis.bus.calls import refusal_headers
from contracts.base import Call, Event, Model
from contracts.envelope import Envelope, read_envelope
from contracts.errors import PaymentRequired, Refusal, Unavailable
from gateway.__main__ import Server
from gateway.asking import Gateway
from gateway.settings import Settings
from tests.support.clients import http_client

DEADLINE_S = 60.0
ID_SECRET = "of the tests, and of nobody else at all"


async def until_answered(http: httpx.AsyncClient, path: str, status: int) -> httpx.Response:
    """Ask until the answer has that status."""
    deadline = time.monotonic() + DEADLINE_S
    while (answer := await http.get(path)).status_code != status:
        assert time.monotonic() < deadline, f"{path} still answers {answer.status_code}"
        await asyncio.sleep(0.05)
    return answer


@dataclass
class Served:
    """A gateway that is being served in a thread of this process."""

    url: str
    app: FastAPI
    metrics_url: str = ""

    @property
    def gateway(self) -> Gateway:
        gateway: Gateway = self.app.state.gateway
        return gateway

    def client(self) -> httpx.AsyncClient:
        return http_client(base_url=self.url, timeout=DEADLINE_S)


def gateway_settings(nats_url: str, **more: Any) -> Settings:
    given: dict[str, Any] = {
        "nats_url": nats_url,
        "port": 0,
        "metrics_port": 0,
        "id_secret": ID_SECRET,
    } | more
    return Settings(_env_file=None, **given)


@contextmanager
def serving(settings: Settings) -> Iterator[Served]:
    """Serve a gateway as `python -m gateway` does."""
    server = Server(settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + DEADLINE_S
        while not server.started:
            assert thread.is_alive(), "the gateway did not start"
            assert time.monotonic() < deadline, "the gateway does not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        while not server.metrics.started:
            time.sleep(0.01)
        counted = server.metrics.servers[0].sockets[0].getsockname()[1]
        yield Served(
            f"http://127.0.0.1:{port}", server.gateway, f"http://127.0.0.1:{counted}/metrics"
        )
    finally:
        server.should_exit = True
        thread.join(DEADLINE_S)
        assert not thread.is_alive(), "the gateway does not stop"


@dataclass
class Asked:
    """A request that a stand-in got."""

    subject: str
    body: Any
    envelope: Envelope


@dataclass
class StandIns:
    """Answers calls in place of the services, as they would: over NATS, with the contracts."""

    client: Client
    asked: list[Asked] = field(default_factory=list)
    _answering: dict[str, Subscription] = field(default_factory=dict)
    _at_work: set[asyncio.Task[None]] = field(default_factory=set)

    async def answer(self, call: Call[Any, Any], reply: Any) -> None:
        """Answer `call` with a model, bytes, a Refusal, or what a function makes of the request."""
        if call.subject in self._answering:
            await self.stop(call)

        async def on_request(message: Msg) -> None:
            request = call.request.model_validate_json(message.data)
            envelope = read_envelope(message.headers or {}, fallback_id="none")
            self.asked.append(Asked(call.subject, request, envelope))
            job = asyncio.create_task(self._answer(message, request, reply))
            self._at_work.add(job)
            job.add_done_callback(self._at_work.discard)

        self._answering[call.subject] = await self.client.subscribe(
            call.subject, queue=call.context, cb=on_request
        )
        await self._arrived()

    async def _answer(self, message: Msg, request: Model, reply: Any) -> None:
        """Answer one request; the next ones are taken meanwhile, as services do."""
        found = reply(request) if callable(reply) else reply
        if asyncio.iscoroutine(found):
            found = await found
        await _respond(self.client, message, found)

    async def stop(self, call: Call[Any, Any]) -> None:
        """Answer this call no longer."""
        await self._answering.pop(call.subject).unsubscribe()
        await self._arrived()

    async def stop_all(self) -> None:
        """Answer nothing any longer, and be sure that the server knows."""
        for answering in self._answering.values():
            await answering.unsubscribe()
        self._answering.clear()
        await self._arrived()

    async def publish(self, event: Event) -> None:
        await self.client.publish(event.subject(), event.model_dump_json().encode())
        await self._arrived()

    async def _arrived(self) -> None:
        """Wait until the server has what was sent; a first flush overtakes what is still queued."""
        await self.client.flush()
        await self.client.flush()

    def got(self, call: Call[Any, Any]) -> list[Asked]:
        """The requests for `call`, oldest first."""
        return [asked for asked in self.asked if asked.subject == call.subject]


async def _respond(client: Client, message: Msg, reply: Model | bytes | Refusal | None) -> None:
    if isinstance(reply, Refusal):
        await client.publish(message.reply, b"", headers=refusal_headers(reply))
    elif isinstance(reply, Model):
        await client.publish(message.reply, reply.model_dump_json().encode())
    elif reply is not None:
        await client.publish(message.reply, reply)


@asynccontextmanager
async def stand_ins(nats_url: str) -> AsyncIterator[StandIns]:
    client = await nats.connect(
        nats_url, max_reconnect_attempts=-1, reconnect_time_wait=0.1, error_cb=_quiet
    )
    try:
        standing = StandIns(client)
        yield standing
        if client.is_connected:
            await standing.stop_all()
    finally:
        await client.close()


async def _quiet(_error: Exception) -> None:
    """A server that is killed on purpose is no news."""


def assert_problem(answer: httpx.Response, status: int, *words: str) -> None:
    """The answer is an error of the one shape, with a sentence that has these words."""
    assert answer.status_code == status, answer.text
    body, kind = answer.json(), "application/json"
    if status == PaymentRequired.code:
        for name in ("required", "available", "topUp"):
            del body[name]
        assert body["type"] == "urn:agentbazaar:problem:payment-required"
        kind = "application/problem+json"
    assert answer.headers["content-type"].startswith(kind)
    assert set(body) == {"error", "type", "title", "status", "detail"}
    assert body["status"] == status
    assert body["title"]
    assert body["error"].strip()
    assert body["detail"] == body["error"]
    if status == Unavailable.code:
        assert answer.headers["retry-after"] == "1"
    for word in words:
        assert word in body["error"]
