"""POST /agui: a run is a turn of HubChat, told until it ends or waits for a person."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack
from typing import Any

from ag_ui.core import BaseEvent
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from gateway.doors.agui.asked import Asked, asked
from gateway.doors.agui.telling import Telling, frame
from gateway.doors.shared.answers import Refused, Told, place
from gateway.doors.shared.inside import Inside
from gateway.doors.shared.streaming import happened
from gateway.settings import Settings
from gateway.sse import ALIVE, Frames

Json = dict[str, Any]

STREAM = "/api/hubchat/stream"
LATEST = 20
"""Approvals that are looked through for those of a turn."""
CUT_OFF = "The stream was cut off; the turn goes on. Send the run again with Last-Event-ID."
NO_TURN = "state.turnId: The turn is not known that these interrupts are of."


async def run(request: Request, inside: Inside, settings: Settings) -> Response:
    """Begin a turn, or go on with one; what is refused is answered by its status."""
    wanted = await asked(request)
    scope = request.scope
    async with AsyncExitStack() as opening:
        # Read along before anything is asked, so that nothing is missed.
        events = await opening.enter_async_context(inside.events(scope, STREAM, after=wanted.after))
        turn = await _turn(inside, request, wanted)
        frames = _told(inside, request, wanted, turn, events)
        return Frames(frames, settings.event_send_s, opening.pop_all())


async def _turn(inside: Inside, request: Request, wanted: Asked) -> Json:
    """The turn that the run is about, once what was decided is done.

    Raises:
        Refused: by our own API.
    """
    scope = request.scope
    if not wanted.resume:
        said = await inside.ask(
            scope,
            "POST",
            "/api/hubchat/message",
            query={"wait": False},
            body=wanted.wish(),
            key=wanted.key,
        )
        begun: Json = said.json()
        return begun
    turn_id = wanted.state.get("turnId")
    if not isinstance(turn_id, str):
        raise HTTPException(422, NO_TURN)
    turn: Json = await inside.get(scope, place("/api/turns/{}", turn_id))
    for entry in wanted.resume:
        payload = entry.payload if isinstance(entry.payload, dict) else {}
        approved = False if entry.status == "cancelled" else payload.get("approved")
        if isinstance(approved, bool):  # Else somebody else decides, and it is only followed.
            what = "/api/steps/{}/approve" if approved else "/api/steps/{}/reject"
            await inside.ask(scope, "POST", place(what, entry.interrupt_id))
    return turn


async def _told(
    inside: Inside, request: Request, wanted: Asked, turn: Json, events: AsyncIterator[Told]
) -> AsyncGenerator[bytes]:
    telling = Telling(wanted.input.thread_id, wanted.input.run_id)
    for one in _frames(telling.begin(turn)):
        yield one
    asks = _Asks(inside, request.scope, turn["turnId"], wanted)
    try:
        ending = telling.end(turn) if turn["done"] else None
        while ending is None and (told := await anext(events, None)) is not None:
            event = happened(told.data)
            kind = event["type"] if event.get("turnId") == asks.turn_id else ""
            if kind == "turn.completed" or not told.data:
                # Looked after now and then, too: an event may be late, or before this run.
                ending = await asks.ending(telling, told.id)
                yield ALIVE
            elif kind == "step.approval_requested" and asks.is_open(event["data"]["stepId"]):
                ending = telling.interrupt(event["data"], told.id)
            elif kind:
                for one in _frames(telling.happened(event), told.id):
                    yield one
        ending = ending or telling.fail(CUT_OFF, "cut_off")
    except Refused as refused:
        ending = telling.fail(refused.sentence, str(refused.status))
    for one in _frames(ending):
        yield one


class _Asks:
    """How a turn stands."""

    def __init__(self, inside: Inside, scope: Scope, turn_id: str, wanted: Asked) -> None:
        """Ask for the caller of `scope`."""
        self._inside = inside
        self._scope = scope
        self._answered = {entry.interrupt_id for entry in wanted.resume}
        self.turn_id = turn_id

    def is_open(self, step_id: str) -> bool:
        """Whether the caller has not yet answered what this step waits for."""
        return step_id not in self._answered

    async def ending(self, telling: Telling, at: str | None) -> Iterator[BaseEvent] | None:
        """The run's end, when the turn has ended or waits for a person."""
        turn = await self._inside.get(self._scope, place("/api/turns/{}", self.turn_id))
        if turn["done"]:
            return telling.end(turn)
        for one in await self._inside.get(self._scope, "/api/approvals", limit=LATEST):
            mine = (one["turnId"], one["state"]) == (self.turn_id, "waiting")
            if mine and self.is_open(one["stepId"]):
                return telling.interrupt(one, at)
        return None


def _frames(events: Iterable[BaseEvent], place_: str | None = None) -> list[bytes]:
    """Events as they are sent; the last has the place, so that none comes twice or not at all."""
    told = list(events)
    return [frame(event, place_ if event is told[-1] else None) for event in told]
