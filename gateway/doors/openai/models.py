"""What can be named as a model: HubChat, and every agent to which a text is enough."""

from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from gateway.doors.openai.asked import text_member
from gateway.doors.openai.errors import unknown_model
from gateway.doors.openai.said import answered
from gateway.doors.shared.answers import Refused, place
from gateway.doors.shared.inside import Inside

Json = dict[str, Any]

HUBCHAT = "hubchat"
PAGE, PAGES = 500, 4
"""Agents that are listed: the first two thousand. Whatever their number, any can be named."""


async def list_models(request: Request, inside: Inside) -> Response:
    """All of them, in one answer: OpenAI's list has no pages."""
    found = [_model(HUBCHAT, "agentbazaar")]
    cursor: str | None = None
    for _ in range(PAGES):
        query = {"limit": PAGE, "cursor": cursor}
        said = await inside.ask(request.scope, "GET", "/api/agents", query=query)
        found += [_of(agent) for agent in said.json() if takes(agent)]
        if (cursor := said.next_cursor) is None:
            break
    return answered({"object": "list", "data": found})


async def get_model(request: Request, inside: Inside) -> Response:
    """One of them."""
    name = request.path_params["id"]
    if name == HUBCHAT:
        return answered(_model(HUBCHAT, "agentbazaar"))
    agent = await agent_called(inside, request.scope, name)
    return unknown_model(name) if agent is None else answered(_of(agent))


async def agent_called(inside: Inside, scope: Scope, name: str) -> Json | None:
    """The agent that is named as a model; None when there is none that could be.

    Raises:
        Refused: that cannot be told now.
    """
    try:
        agent: Json = await inside.get(scope, place("/api/agents/{}", name))
    except Refused as refused:
        if refused.status == HTTPStatus.NOT_FOUND:
            return None
        raise
    return agent if takes(agent) else None


def takes(agent: Json) -> bool:
    """Whether it is on the market, and can be called with a text alone."""
    fits = text_member(agent["inputSchema"]) is not None
    return fits and agent["state"] == "active" and agent["id"] != HUBCHAT


def _of(agent: Json) -> Json:
    shown = ("name", "description", "skills", "dynamicPrice", "availability")
    about = {name: agent[name] for name in shown}
    return _model(agent["id"], agent["owner"] or "agentbazaar") | {"bazaar": about}


def _model(name: str, owner: str) -> Json:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}
