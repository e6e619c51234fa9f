"""The answers to requests with `stream`: words as the model says them, the bill at the end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from chassis.endings import end
from gateway.doors.openai import errors
from gateway.doors.openai.asked import Completion
from gateway.doors.openai.asks import Asks
from gateway.doors.openai.said import Answer, frame, of_call, of_turn
from gateway.doors.shared.answers import Refused, Told
from gateway.doors.shared.streaming import happened
from gateway.doors.shared.tenure import Tellable, while_known
from gateway.doors.shared.words import Words
from gateway.errors import OURS
from gateway.settings import Settings
from gateway.sse import ALIVE, Frames

Json = dict[str, Any]

CUT_OFF = "The stream was cut off; the turn goes on."


async def turn(asks: Asks, said: Json, body: Completion, send_s: float) -> Frames:
    """A turn of HubChat. It is read along before it is asked for, so that nothing is missed.

    Raises:
        Refused: nothing was sent yet.
    """
    async with AsyncExitStack() as opening:
        events = await opening.enter_async_context(
            asks.inside.events(asks.scope, "/api/hubchat/stream")
        )
        begun = await asks.post("/api/hubchat/message", said, wait=False)
        frames = _turn(asks, events, begun, body)
        return Frames(frames, send_s, opening.pop_all())


async def _turn(
    asks: Asks, events: AsyncIterator[Told], begun: Json, body: Completion
) -> AsyncGenerator[bytes]:
    turn_id = begun["turnId"]
    known = {"turnId": turn_id, "taskId": begun["taskId"]}
    answer, words = Answer(turn_id, body.model, bazaar=known), Words()
    yield answer.first()
    try:
        ended = begun if begun["done"] else None
        if ended is None:
            async for one in events:
                event = happened(one.data)
                kind = event["type"] if event.get("turnId") == turn_id else ""
                if kind == "turn.streamed":
                    if new := words.more(event["data"]):
                        yield answer.piece(new)
                elif kind == "turn.completed" or not one.data:
                    # Looked after now and then, too: an event may be late.
                    found = await asks.turn(turn_id)
                    if found["done"]:
                        ended = found
                        break
                    yield ALIVE
        if ended is None:
            yield _broken(errors.error(503, CUT_OFF, code="cut_off", **known))
            return
    except Refused as refused:
        yield _broken(errors.of(refused))
        return
    whole = of_turn(body.model, ended)
    if rest := words.rest(whole.text):
        yield whole.piece(rest)
    yield whole.end(include_usage=body.include_usage)


async def call(
    asks: Asks, order: Json, agent: Json, body: Completion, settings: Settings
) -> Frames:
    """A call of an agent: signs of life while it works, then its answer in one chunk.

    Raises:
        Refused: at once, so nothing was sent yet.
    """
    calling = asyncio.ensure_future(asks.post("/api/invoke-agent", order))
    async with AsyncExitStack() as opening:
        opening.push_async_callback(end, calling)
        told = await opening.enter_async_context(while_known(asks.scope, "write", calling))
        if await told.soon(settings.event_heartbeat_s):
            told.result()
        frames = _call(told, agent, body, settings.event_heartbeat_s)
        return Frames(frames, settings.event_send_s, opening.pop_all())


async def _call(
    told: Tellable[Json], agent: Json, body: Completion, heartbeat_s: float
) -> AsyncGenerator[bytes]:
    while not told.there:
        yield ALIVE
        await told.soon(heartbeat_s)
    try:
        answer = of_call(agent, told.result())
    except Refused as refused:
        yield _broken(errors.of(refused))
    except Exception:
        yield _broken(errors.error(500, OURS))
        raise  # It is in the log then.
    else:
        yield answer.first()
        yield answer.piece(answer.text)
        yield answer.end(include_usage=body.include_usage)


def _broken(error: Json) -> bytes:
    """An error after the stream has begun; no mark of the end follows."""
    return frame(error)
