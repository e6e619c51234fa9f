"""Errors of the layers around the doors, in the shape of the protocol that was spoken."""

import json
from http import HTTPStatus
from importlib import import_module
from typing import Any

from pydantic_core import to_json
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.doors import DOORS, door_at


class Shapes:
    """ASGI middleware: what is refused before a door is reached (401, 413, 429 …) is put anew."""

    def __init__(self, app: ASGIApp) -> None:
        """Look at the errors of `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app; only answers to those who speak a protocol with errors of its own differ."""
        name = door_at(scope["path"]) if scope["type"] == "http" else None
        module = DOORS[name].errors if name else None
        if module is None:
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def put(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_error(message["status"]):
                start = message
                return
            if start is None:
                await send(message)
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                refused, start = start, None
                for part in _anew(module, refused, body):
                    await send(part)

        await self._app(scope, receive, put)


def _is_error(status: int) -> bool:
    return status >= HTTPStatus.BAD_REQUEST


def _anew(module: str, start: Message, body: bytes) -> tuple[Message, Message]:
    """The answer in the door's shape; as it is when it has it already."""
    try:
        sentence: Any = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        sentence = None
    if isinstance(sentence, str):
        body = to_json(import_module(module).outside(start["status"], sentence))
        length = (b"content-length", str(len(body)).encode())
        others = [one for one in start["headers"] if one[0] != b"content-length"]
        start = {**start, "headers": [*others, length]}
    return start, {"type": "http.response.body", "body": body}
