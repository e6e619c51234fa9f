"""The marketplace: which agents there are."""

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from contracts import api
from contracts.registry import (
    GET_AGENT,
    LIST_AGENTS,
    AgentList,
    AgentReply,
    GetAgent,
    ListAgents,
)
from gateway.asking import answer, as_shown, ask, known_id
from gateway.errors import problems
from gateway.pages import LINKED, SAME, Paging, page_of
from gateway.parameters import PathId, StrictRoute

router = APIRouter(tags=["agents"], route_class=StrictRoute)


class ShownAgent(AgentReply):
    """The reply about one agent, with numbers."""

    agent: api.Agent


class ShownAgents(AgentList):
    """A page of agents, with numbers."""

    agents: list[api.Agent]  # type: ignore[assignment]  # agents with numbers


_ONE = as_shown(GET_AGENT, ShownAgent)
_MANY = as_shown(LIST_AGENTS, ShownAgents)
_LIST = TypeAdapter(list[api.Agent])


@router.get(
    "/api/agents",
    summary="The agents, in the order they were registered",
    response_model=list[api.Agent],
    responses={200: LINKED, **SAME, **problems(504)},
)
async def list_agents(request: Request, page: Paging) -> Response:
    """Each with its price at the present load, its rating, and whether it is available."""
    found = await ask(request, _MANY, ListAgents(limit=page.limit, cursor=page.cursor))
    return page_of(request, page, found.agents, _LIST, found.next_cursor)


@router.get(
    "/api/agents/{id}",
    summary="One agent",
    response_model=api.Agent,
    responses={**SAME, **problems(404, 504)},
)
async def get_agent(request: Request, id: PathId) -> Response:  # noqa: A002  (the path's own word)
    """An agent as it is listed now."""
    question = GetAgent(agent_id=known_id(id, "Agent"))
    return answer((await ask(request, _ONE, question)).agent)
