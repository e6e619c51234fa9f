"""Events as they happen, as server-sent events: of the account, of a task, of the chat."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.types import Receive, Scope, Send

from chassis.endings import end
from contracts.bodies import MaybeId
from contracts.task import GET_TASK, GetTask
from gateway.asking import account_of, ask, gateway_of, known_id
from gateway.errors import problems
from gateway.event_schemas import STREAM
from gateway.identity import Identity
from gateway.parameters import PathId, Place, StrictRoute
from gateway.sse import TAKES, Frames, begun
from gateway.streams import End, Reader, Streams

router = APIRouter(tags=["events"], route_class=StrictRoute)

CHAT = frozenset({"message", "plan", "turn", "tool", "task", "step", "price"})
"""What a conversation shows: what is said, planned, negotiated and done, and not its payments."""

LastEventId = Annotated[
    Place,
    Header(
        alias="Last-Event-ID",
        description="The `id` of the last event that was received; what came after it follows.",
    ),
]
BEFORE = timedelta(hours=1)
"""The first words about a task come before it: its turn was planned, its order waited."""


@dataclass(frozen=True, slots=True)
class Told:
    """A task that is told from its beginning, and the time before which nothing is about it."""

    task_id: str
    since: datetime


_STREAM: dict[int | str, dict[str, Any]] = {200: {"content": STREAM}}


class EventStream(Frames):
    """Server-sent events for one reader; it reads along before the answer begins."""

    def __init__(self, request: Request, reader: Reader, *, resumed: bool) -> None:
        """Answer `request` with what `reader` is to get; heartbeats come with the frames."""
        gateway = gateway_of(request)
        identity: Identity | None = getattr(request.state, "identity", None)
        frames = _read(gateway.streams, reader, identity, resumed=resumed)
        super().__init__(frames, gateway.settings.event_send_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the reader leaves, is too slow, may no longer read, or the gateway stops."""
        self.frames = await begun(self.frames)
        if take := scope.get("extensions", {}).get(TAKES):
            take(self.frames)
        else:
            await super().__call__(scope, receive, send)


async def _read(
    streams: Streams, reader: Reader, identity: Identity | None, *, resumed: bool
) -> AsyncGenerator[bytes]:
    async with (
        streams.reading(reader),
        _while_known(identity, reader),
        aclosing(streams.frames(reader, resumed=resumed)) as frames,
    ):
        async for frame in frames:
            yield frame


@asynccontextmanager
async def _while_known(identity: Identity | None, reader: Reader) -> AsyncIterator[None]:
    """Cut the reader off once its credential no longer lets it read."""
    if identity is None or identity.over is None:
        yield
        return
    watching = asyncio.create_task(_cut_when_over(identity, reader))
    try:
        yield
    finally:
        await end(watching)


async def _cut_when_over(identity: Identity, reader: Reader) -> None:
    why: End = "revoked"
    try:
        if identity.over is not None:
            why = await identity.over("read")
    finally:  # Whatever goes wrong here, the stream does not outlive it.
        reader.cut(why)


@router.get(
    "/api/events",
    summary="What happens in the account",
    response_class=Response,
    responses=_STREAM,
)
async def stream_events(request: Request, last_event_id: LastEventId = None) -> Response:
    """From now on, or from after `Last-Event-ID`. The events of agents are everybody's."""
    return _stream(request, last_event_id)


@router.get(
    "/api/tasks/{id}/events",
    summary="What happens to a task",
    response_class=Response,
    responses={**_STREAM, **problems(404, 504)},
)
async def stream_task_events(
    request: Request,
    id: PathId,  # noqa: A002  (the path's own word)
    last_event_id: LastEventId = None,
) -> Response:
    """From its beginning, or from after `Last-Event-ID`."""
    return _stream(request, last_event_id, task=await _task_of(request, id))


@router.get(
    "/api/hubchat/stream",
    summary="What the assistant says and does, as it does",
    response_class=Response,
    responses={**_STREAM, **problems(404, 504)},
)
async def stream_chat(
    request: Request,
    task_id: Annotated[
        MaybeId, Query(alias="taskId", description="Of this task only, from its beginning.")
    ] = None,
    last_event_id: LastEventId = None,
) -> Response:
    """Text of the model, messages, plans, prices and steps; what is paid is in `/api/events`."""
    task = None if task_id is None else await _task_of(request, task_id)
    return _stream(request, last_event_id, task=task, nouns=CHAT)


async def _task_of(request: Request, id_: str) -> Told:
    """What is told of a task of the caller's account; `NotFound` when it has no such task."""
    task_id = known_id(id_, "Task")
    found = await ask(request, GET_TASK, GetTask(task_id=task_id))
    return Told(task_id, found.task.created_at - BEFORE)


def _stream(
    request: Request,
    last_event_id: int | None,
    *,
    task: Told | None = None,
    nouns: frozenset[str] | None = None,
) -> Response:
    from_beginning = task is not None and last_event_id is None
    reader = Reader(
        account_of(request),
        task.task_id if task else None,
        nouns,
        after=0 if from_beginning else last_event_id,
        since=task.since if task and from_beginning else None,
        room=gateway_of(request).settings.event_buffer,
    )
    return EventStream(request, reader, resumed=last_event_id is not None)
