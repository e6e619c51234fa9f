"""Routes of the library, answered as the gateway answers: given up when their caller leaves."""

import json
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from typing import Any

from a2a.utils.error_handlers import build_rest_error_payload, rest_stream_error_handler
from a2a.utils.errors import A2AError
from sse_starlette import EventSourceResponse
from sse_starlette.event import ServerSentEvent, ensure_bytes
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.doors.shared.streaming import HANGED_UP, Gone, while_there
from gateway.settings import Settings
from gateway.sse import Frames, begun


def small(route: Route, settings: Settings) -> Route:
    """A route whose streams are the gateway's: the library's keep more than all else of them.

    Whoever leaves before his answer begins is waited for no longer; what he ordered goes on.
    """

    async def answered(request: Request) -> Response:
        await request.body()  # It is kept; all that comes after it is that the caller has left.
        try:
            return await while_there(request.receive, _answer(route, request, settings))
        except Gone:
            return Response(status_code=HANGED_UP)

    return Route(route.path, answered, methods=[*(route.methods or ())])


async def _answer(route: Route, request: Request, settings: Settings) -> Response:
    answer: Response = await route.endpoint(request)
    if isinstance(answer, EventSourceResponse):
        answer = await _stream(answer, settings)
    return answer


@rest_stream_error_handler  # The library's streams of 0.3 over HTTP+JSON catch no error, ...
async def _stream(answer: EventSourceResponse, settings: Settings) -> Response:
    """A stream of the library's; an error before its first event is the answer."""
    frames = await begun(_encoded(answer.body_iterator, answer.sep))
    return Frames(_caught(frames), settings.event_send_s, alive_s=settings.event_heartbeat_s)


async def _encoded(told: AsyncIterable[Any], sep: str) -> AsyncGenerator[bytes]:
    async for one in told:
        yield ensure_bytes(one, sep)


async def _caught(frames: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """... neither before nor in their course: then it is the last event, as in those of 1.0."""
    async with aclosing(frames):
        try:
            async for frame in frames:
                yield frame
        except A2AError as error:
            data = json.dumps(build_rest_error_payload(error))
            yield ServerSentEvent(data, event="error").encode()
