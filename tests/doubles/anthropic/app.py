"""The double itself: POST /v1/messages."""

import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from itertools import islice
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from tests.doubles.anthropic.checks import Refused, check_headers, read
from tests.doubles.anthropic.replies import Failure, Reply, Script, tokens
from tests.doubles.anthropic.request import Body
from tests.doubles.anthropic.stream import event, events

KEY = "sk-ant-test-key"
LIMITS = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:00Z",
    "anthropic-ratelimit-tokens-limit": "400000",
    "anthropic-ratelimit-tokens-remaining": "399000",
    "anthropic-ratelimit-tokens-reset": "2026-01-01T00:00:00Z",
}


class Broken(Exception):
    """The connection is cut on purpose."""


class Double:
    """The API with one key and one script.

    Attributes:
        asked: the requests that were found valid, oldest first.
        refused: why the others were not.
        headers: of all requests, oldest first.
    """

    def __init__(self, script: Script, key: str = KEY) -> None:
        self.script = script
        self.key = key
        self.asked: list[Body] = []
        self.refused: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self._cached: dict[str, int] = {}

    def app(self) -> FastAPI:
        """The service."""
        app = FastAPI(openapi_url=None)
        app.post("/v1/messages")(self._messages)
        return app

    async def _messages(self, request: Request) -> Response:
        id_ = f"req_{uuid.uuid4().hex[:24]}"
        self.headers.append(request.headers)
        try:
            check_headers(request.headers, self.key)
            body = read(await request.body())
        except Refused as refusal:
            self.refused.append(refusal.message)
            return _failed(Failure(refusal.status, refusal.type, refusal.message), id_)
        self.asked.append(body)
        reply = self.script(body)
        if reply.raw is not None:
            return Response(reply.raw, reply.status, media_type=reply.media_type)
        if reply.failure is not None and reply.pieces is None:
            return _failed(reply.failure, id_)
        if reply.hang and not body.stream:
            await _gone(request)
        message = self._message(body, reply)
        headers = {"request-id": id_, **LIMITS}
        if not body.stream:
            return JSONResponse(message, headers=headers)
        stream = _sent(request, reply, message)
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    def _message(self, body: Body, reply: Reply) -> dict[str, Any]:
        content = reply.content()
        return {
            "id": f"msg_{uuid.uuid4().hex[:24]}",
            "type": "message",
            "role": "assistant",
            "model": body.model,
            "content": content,
            "stop_reason": reply.reason(),
            "stop_sequence": None,
            "stop_details": reply.stop_details,
            "usage": {**self._usage(body), "output_tokens": tokens(content)},
        }

    def _usage(self, body: Body) -> dict[str, int]:
        """Input tokens by what of them an earlier request marked for the cache."""
        read_, marked, all_ = 0, 0, ""
        for part in _parts(body):
            mark = part.pop("cache_control", None)
            all_ += json.dumps(part)
            place = hashlib.sha256(all_.encode()).hexdigest()
            read_ = max(read_, self._cached.get(place, 0))
            if mark:
                marked = tokens(all_)
                self._cached[place] = marked
        return {
            "input_tokens": tokens(all_) - marked,
            "cache_creation_input_tokens": marked - read_,
            "cache_read_input_tokens": read_,
        }


def _parts(body: Body) -> list[dict[str, Any]]:
    """Everything of the request, in the order in which it is cached."""
    whole = body.model_dump(exclude_none=True)
    system = whole["system"]
    parts = [*whole["tools"], *(system if isinstance(system, list) else [{"text": system}])]
    for message in whole["messages"]:
        content = message["content"]
        parts += content if isinstance(content, list) else [{"text": content}]
    return parts


async def _sent(request: Request, reply: Reply, message: dict[str, Any]) -> AsyncIterator[str]:
    for part in islice(events(message), reply.pieces):
        yield part
    if reply.hang:
        await _gone(request)
    elif reply.failure is not None:
        yield event("error", {"error": _error(reply.failure)})
    elif reply.pieces is not None:
        raise Broken


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _failed(failure: Failure, id_: str) -> JSONResponse:
    return JSONResponse(
        {"type": "error", "error": _error(failure), "request_id": id_},
        failure.status,
        headers={"request-id": id_, **LIMITS, **failure.headers},
    )


def _error(failure: Failure) -> dict[str, str]:
    return {"type": failure.type, "message": failure.message}
