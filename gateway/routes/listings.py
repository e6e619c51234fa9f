"""The owner's side of the marketplace: agents are listed, changed, suspended and retired."""

from typing import Any

from fastapi import APIRouter, Request, Response

from contracts import api, bodies
from contracts.listings import (
    CHANGE_LISTING,
    IMPORT_AGENTS,
    LIST_AGENT,
    ChangeListing,
    ImportAgents,
    ListAgent,
)
from gateway.asking import answer, ask, keyed_effect, known_id, made, shown
from gateway.auth import is_admin
from gateway.bodies import JsonRoute
from gateway.errors import problems
from gateway.pages import Page, listed
from gateway.parameters import PathId, StrictRoute
from gateway.routes.agents import AGENTS

router = APIRouter(tags=["agents"], route_class=StrictRoute)
posts = APIRouter(tags=["agents"], route_class=JsonRoute)


@posts.post(
    "/api/agents",
    summary="List an agent",
    response_model=api.Agent,
    responses=problems(400, 409, 415, 504),
)
async def list_agent(request: Request, body: bodies.NewListing) -> Response:
    """It is yours, and nobody else can take its id or name. What is left out, it is asked for."""
    given = _members(body)
    order = made(
        ListAgent,
        agent_id=given.pop("id", None),
        made_with=keyed_effect(request),
        as_admin=is_admin(request),
        **given,
    )
    return answer(shown(api.Agent, (await ask(request, LIST_AGENT, order)).agent))


@posts.post(
    "/api/agents/import",
    summary="List what is found at an address",
    response_model=list[api.Agent],
    responses=problems(400, 409, 415, 504),
)
async def import_agents(request: Request, body: bodies.Import) -> Response:
    """An agent with `/info`, an A2A agent by its card, or the tools of an MCP server.

    What you have from there already is brought up to date, but for what you said yourself.
    """
    given = _members(body)
    order = made(
        ImportAgents, agent_id=given.pop("id", None), made_with=keyed_effect(request), **given
    )
    return await listed(request, Page(), IMPORT_AGENTS, order, AGENTS)


@posts.patch(
    "/api/agents/{id}",
    summary="Change a listing",
    response_model=api.Agent,
    responses=problems(400, 404, 409, 415, 504),
)
async def change_listing(request: Request, id: PathId, body: bodies.ListingChange) -> Response:  # noqa: A002  (the path's own word)
    """Its state too: `active` publishes a draft and resumes, `suspended` needs a `reason`."""
    nulls = {name for name in body.model_fields_set if getattr(body, name) is None}
    given = {name: value for name, value in _members(body).items() if name not in nulls}
    return await _change(request, id, cleared=sorted(nulls), **given)


@posts.post(
    "/api/agents/{id}/suspend",
    summary="Take an agent off the market for a while",
    response_model=api.Agent,
    responses=problems(400, 404, 409, 415, 504),
)
async def suspend_agent(request: Request, id: PathId, body: bodies.Suspension) -> Response:  # noqa: A002  (as above)
    """At once: no new call of it begins. What an admin suspended, an admin resumes."""
    return await _change(request, id, state="suspended", reason=body.reason)


@router.post(
    "/api/agents/{id}/resume",
    summary="Put a suspended agent back on the market",
    response_model=api.Agent,
    responses=problems(404, 504),
)
async def resume_agent(request: Request, id: PathId) -> Response:  # noqa: A002  (as above)
    """It can be called again."""
    return await _change(request, id, state="active")


@router.delete(
    "/api/agents/{id}",
    summary="Take an agent off the market for good",
    response_model=api.Agent,
    responses=problems(404, 409, 504),
)
async def retire_agent(request: Request, id: PathId) -> Response:  # noqa: A002  (as above)
    """What it did stays, under its name; its id and name are never anybody else's."""
    return await _change(request, id, state="retired")


async def _change(request: Request, id_: str, **changes: Any) -> Response:
    order = made(
        ChangeListing, agent_id=known_id(id_, "Agent"), as_admin=is_admin(request), **changes
    )
    return answer(shown(api.Agent, (await ask(request, CHANGE_LISTING, order)).agent))


def _members(body: bodies.Body) -> dict[str, Any]:
    return body.model_dump(mode="json", by_alias=False, exclude_unset=True)
