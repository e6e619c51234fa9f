"""POST /v1/chat/completions: a wish to HubChat, or a text to an agent."""

import asyncio
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gateway.doors.openai import errors, streaming
from gateway.doors.openai.asked import (
    Completion,
    Wrong,
    refuse_what_is_not_done,
    terms_of,
    text_member,
    wish_of,
)
from gateway.doors.openai.asks import LOOK_S, Asks
from gateway.doors.openai.models import HUBCHAT, agent_called
from gateway.doors.openai.said import answered, of_call, of_turn
from gateway.doors.shared.inside import Inside
from gateway.doors.shared.serving import header, json_of
from gateway.doors.shared.streaming import HANGED_UP, Gone, while_there
from gateway.errors import sentence
from gateway.settings import Settings

Json = dict[str, Any]

WAIT_S = 100.0
"""How long a turn is waited for without a stream: as long as an agent that is called."""
STILL = (
    "The turn {} is still going on. Ask again with the same Idempotency-Key, or stream: then it"
    " is waited for once more. GET /api/turns/{} has it later."
)


async def complete(request: Request, inside: Inside, settings: Settings) -> Response:
    """Answer as OpenAI would; what costs money is asked of our own routes."""
    try:
        body = Completion.model_validate(await json_of(request))
        refuse_what_is_not_done(body)
        wish = wish_of(body)
    except ValidationError as error:
        place = error.errors()[0]["loc"]
        return errors.wrong(sentence(error.errors()), str(place[0]) if place else None)
    except Wrong as error:
        return errors.wrong(error.sentence, error.param)
    except HTTPException as error:
        if error.status_code == HTTPStatus.UNPROCESSABLE_ENTITY:
            return errors.wrong(str(error.detail))
        return errors.plain(error.status_code, str(error.detail))
    asks = Asks(inside, request, header(request.headers, "idempotency-key"))
    ask = _of_hubchat if body.model == HUBCHAT else _of_agent
    try:
        return await ask(asks, body, wish, settings)
    except Gone:
        return Response(status_code=HANGED_UP)


async def _of_hubchat(asks: Asks, body: Completion, wish: str, settings: Settings) -> Response:
    budget, task_id = terms_of(body, asks.headers)
    said = {"content": wish, "maxBudget": budget, "taskId": task_id or None}
    if body.stream:
        return await streaming.turn(asks, said, body, settings.event_send_s)
    return await while_there(asks.receive, _turn(asks, said, body.model))


async def _of_agent(asks: Asks, body: Completion, wish: str, settings: Settings) -> Response:
    agent = await agent_called(asks.inside, asks.scope, body.model)
    if agent is None:
        return errors.unknown_model(body.model)
    budget, task_id = terms_of(body, asks.headers)
    member = text_member(agent["inputSchema"]) or ""
    order = {"agentId": agent["id"], "payload": {member: wish}}
    order |= {"maxPrice": budget, "taskId": task_id or None}
    if body.stream:
        return await streaming.call(asks, order, agent, body, settings)
    result = await while_there(asks.receive, asks.post("/api/invoke-agent", order))
    return of_call(agent, result).whole()


async def _turn(asks: Asks, said: Json, model: str) -> Response:
    """HubChat's message, when it comes in time."""
    until = asyncio.get_running_loop().time() + WAIT_S
    turn = await asks.post("/api/hubchat/message", said)
    while not turn["done"]:
        if asyncio.get_running_loop().time() > until:
            text = STILL.format(turn["turnId"], turn["turnId"])
            about = {"turnId": turn["turnId"], "taskId": turn["taskId"]}
            headers = {} if asks.key else {"x-should-retry": "false"}
            return answered(errors.error(504, text, code="still_running", **about), 504, headers)
        await asyncio.sleep(LOOK_S)
        turn = await asks.turn(turn["turnId"])
    return of_turn(model, turn).whole()
