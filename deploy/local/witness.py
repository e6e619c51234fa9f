"""Agents that are watched: each works a while, and every call is counted by its key."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

START_SECONDS = 30.0
STOP_SECONDS = 10.0


class Witness:
    """An agent's application, and what was seen of it.

    Attributes:
        called: how often each Idempotency-Key came.
        ran: how often work was done for it, and not an answer given that was known.
        at_work: set while the first call is at work, and ever after.
    """

    def __init__(self, app: ASGIApp, work_s: float) -> None:
        """Watch an application whose work takes `work_s` seconds longer."""
        self._app = app
        self._work_s = work_s
        self.called: Counter[str] = Counter()
        self.ran: Counter[str] = Counter()
        self.at_work = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; see POST /execute."""
        if scope["type"] != "http" or scope["path"] != "/execute":
            await self._app(scope, receive, send)
            return
        key = _headers(scope).get("idempotency-key", "")
        self.called[key] += 1
        self.at_work.set()
        await asyncio.sleep(self._work_s)

        async def seen(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = "idempotent-replayed" in _headers(message)
                self.ran[key] += message["status"] == HTTPStatus.OK and not known
            await send(message)

        await self._app(scope, receive, seen)


@contextmanager
def serving(app: ASGIApp, port: int) -> Iterator[None]:
    """Serves an application on 127.0.0.1 in a thread of its own."""
    config = uvicorn.Config(app, port=port, log_level="critical", ws="none", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS)


def _headers(carrier: MutableMapping[str, Any]) -> dict[str, str]:
    return {name.decode().lower(): value.decode() for name, value in carrier.get("headers", [])}
