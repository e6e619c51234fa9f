"""HubChat: the conversation, and saying something in it."""

import asyncio
import contextlib
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field, TypeAdapter

from contracts import api, bodies
from contracts.chat import (
    FORGET_MESSAGES,
    LIST_MESSAGES,
    POST_MESSAGE,
    ForgetMessages,
    Forgotten,
    ListMessages,
    PostMessage,
)
from gateway.asking import (
    answer,
    ask,
    effect_of,
    gateway_of,
    goes_on,
    known_id,
    made,
    said_again,
    shown,
    was_taken,
)
from gateway.bodies import JsonRoute
from gateway.errors import problems
from gateway.layers.idempotency import REPLAYED
from gateway.pages import LINKED, SAME, Page, listed
from gateway.parameters import PathId, StrictRoute, Truth
from gateway.paying import only_covered
from gateway.turns import TurnEnd

router = APIRouter(tags=["chat"], route_class=StrictRoute)
posts = APIRouter(tags=["chat"], route_class=JsonRoute)


class MessagePage(Page):
    """Which messages are wanted."""

    task_id: bodies.MaybeId = Field(default=None, description="Only those about this task.")


_LIST = TypeAdapter(list[api.Message])


@router.get(
    "/api/messages",
    summary="The newest messages, oldest first",
    response_model=list[api.Message],
    responses={200: LINKED, **SAME, **problems(504)},
)
async def list_messages(request: Request, page: Annotated[MessagePage, Query()]) -> Response:
    """What was said; the next page holds the messages before these."""
    asked = ListMessages(limit=page.limit, cursor=page.cursor, task_id=page.task_id)
    return await listed(request, page, LIST_MESSAGES, asked, _LIST)


@posts.post(
    "/api/hubchat/message",
    summary="Say something and wait for the assistant's message",
    response_model=api.ChatAnswer,
    responses=problems(400, 402, 404, 409, 415, 504),
)
async def post_message(request: Request, body: bodies.ChatInput, wait: Truth = True) -> Response:
    """When the wait ends before the turn does, `done` is false: /api/messages has it later.

    With `wait=false` it is not waited for: the stream tells what comes of it.

    Sent again with its `Idempotency-Key`, it is waited for once more, or answered at once when the
    turn has ended. With a `taskId`, the turn goes on with that task.
    """
    gateway = gateway_of(request)
    await only_covered(request, body.max_budget)
    turn_id = effect_of(request)
    question = made(PostMessage, turn_id=turn_id, **dict(body))
    with gateway.turns.expect(turn_id) as ending:
        posted = await ask(request, POST_MESSAGE, question)
        was_taken(request)
        message = posted.answer and shown(api.Message, posted.answer)
        if message is None:
            wait_s = gateway.settings.chat_wait_s if wait else 0.0
            ended = await _wait(request, ending, wait_s)
            message = ended.message if ended else None
    if message is None:
        goes_on(request)
    said_again(request)
    said = answer(
        api.ChatAnswer(
            turn_id=turn_id,
            task_id=message.task_id if message else posted.task_id,
            done=message is not None,
            message=message,
        )
    )
    if posted.answer is not None:
        said.headers[REPLAYED] = "true"
    return said


@router.delete(
    "/api/hubchat/messages/{id}",
    summary="Forget what was said about a task",
    response_model=Forgotten,
    responses=problems(404, 409, 504),
)
async def forget_messages(request: Request, id: PathId) -> Response:  # noqa: A002  (the path's own word)
    """What the task did and what it cost stays."""
    asked = ForgetMessages(task_id=known_id(id, "Task"))
    forgotten = await ask(request, FORGET_MESSAGES, asked)
    return answer(forgotten)


async def _wait(request: Request, ending: asyncio.Future[TurnEnd], wait_s: float) -> TurnEnd | None:
    """The turn's end; None when the time is over, the caller hung up, or the gateway stops."""
    hung_up = asyncio.create_task(_hung_up(request))
    either: set[asyncio.Future[Any]] = {ending, hung_up}
    try:
        # Only the server cancels a request, when its time to finish after SIGTERM is over.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(either, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        hung_up.cancel()
    return ending.result() if ending.done() else None


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
