"""An agent of a few lines over real HTTP, whose every answer a test decides."""

import asyncio
import json
from collections import Counter
from typing import Any, Self

INFO = {
    "name": "Haiku Agent",
    "description": "Writes haiku.",
    "skills": ["haiku", "poetry"],
    "base_price": 0.07,
    "agent_type": "haiku",
    "negotiable": True,
    "input_schema": {"type": "object", "properties": {"topic": {"type": "string"}}},
}


class LittleAgent:
    """GET /health and /info.

    `answers[path]` is a JSON value, raw bytes, a status, None (it hangs), or an async function
    that gives one of these.

    `calls` counts requests by path. It can be stopped and started again on the same port.
    """

    def __init__(self, *, load: int | None = None, info: Any = 404) -> None:
        health = {"status": "healthy"} | ({} if load is None else {"load": load})
        self.answers: dict[str, Any] = {"/health": health, "/info": info}
        self.calls: Counter[str] = Counter()
        self._port = 0
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            self.calls[path] += 1
            answer = self.answers.get(path, 404)
            if callable(answer):
                answer = await answer()
            if answer is None:
                await reader.read()
                return
            status = answer if isinstance(answer, int) else 200
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            head = (
                f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # The caller hung up.
        finally:
            writer.close()
