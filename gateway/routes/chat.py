"""HubChat: the conversation, and saying something in it."""

import asyncio
import contextlib
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from chassis.envelopes import new_id
from contracts import api
from contracts.chat import (
    LIST_MESSAGES,
    POST_MESSAGE,
    ListMessages,
    MessageList,
    PostMessage,
)
from gateway.asking import answer, as_shown, ask, gateway_of, made
from gateway.bodies import JsonRoute
from gateway.errors import problems
from gateway.pages import LINKED, Paging, page_of
from gateway.turns import TurnEnd

router = APIRouter(tags=["chat"])
posts = APIRouter(tags=["chat"], route_class=JsonRoute)


class ShownMessages(MessageList):
    """A page of messages, with numbers."""

    messages: list[api.Message]  # type: ignore[assignment]  # messages with numbers


_MANY = as_shown(LIST_MESSAGES, ShownMessages)
_LIST = TypeAdapter(list[api.Message])


@router.get(
    "/api/messages",
    summary="The newest messages, oldest first",
    response_model=list[api.Message],
    responses={200: LINKED, **problems(422)},
)
async def list_messages(request: Request, page: Paging) -> Response:
    """What was said; the next page holds the messages before these."""
    found = await ask(request, _MANY, ListMessages(limit=page.limit, cursor=page.cursor))
    return page_of(request, page, found.messages, _LIST, found.next_cursor)


@posts.post(
    "/api/hubchat/message",
    summary="Say something and wait for the assistant's message",
    response_model=api.ChatAnswer,
    responses=problems(400, 402, 413, 415, 422),
)
async def post_message(request: Request, body: api.ChatInput) -> Response:
    """When the wait ends before the turn does, `done` is false: /api/messages has it later."""
    gateway = gateway_of(request)
    turn_id = new_id()
    question = made(PostMessage, turn_id=turn_id, content=body.content, max_budget=body.max_budget)
    with gateway.turns.expect(turn_id) as ending:
        await ask(request, POST_MESSAGE, question)
        ended = await _wait(request, ending, gateway.settings.chat_wait_s)
    return answer(
        api.ChatAnswer(
            turn_id=turn_id,
            task_id=ended.task_id if ended else None,
            done=ended is not None,
            message=ended.message if ended else None,
        )
    )


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
