"""Somebody's endpoint: it keeps what it is told, and answers as a test says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.listening import listening_server
from tests.support.polling import until


@dataclass
class Endpoint:
    """Where somebody is told.

    Attributes:
        answers: statuses of the next answers; 204 when there are no more.
        gate: while it is not set, nothing is answered.
        heard: headers and bodies, in order.
    """

    url: str = ""
    answers: list[int] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    heard: list[tuple[dict[str, str], Any]] = field(default_factory=list)

    async def hear(self, request: Request) -> Response:
        self.heard.append((dict(request.headers), await request.json()))
        await self.gate.wait()
        return Response(status_code=self.answers.pop(0) if self.answers else 204)

    async def told(self, number: int) -> list[tuple[dict[str, str], Any]]:
        """All that was heard, once it is so much."""
        await until(lambda: len(self.heard) >= number, f"{number} messages")
        return self.heard


@contextlib.asynccontextmanager
async def endpoint() -> AsyncIterator[Endpoint]:
    """One that answers."""
    found = Endpoint()
    found.gate.set()
    app = Starlette(routes=[Route("/hook", found.hear, methods=["POST"])])
    config = uvicorn.Config(app, log_level="warning", lifespan="off", ws="none")
    async with listening_server(config) as url:
        found.url = f"{url}/hook"
        try:
            yield found
        finally:
            found.gate.set()
