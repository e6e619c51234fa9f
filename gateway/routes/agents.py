"""The marketplace: which agents there are, and who of them is best for something."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field, TypeAdapter

from contracts import api
from contracts.base import ID_FORM, Money
from contracts.listings import CHOOSE_AGENTS, FIND_AGENTS, ChooseAgents, FindAgents, Sorting
from contracts.registry import (
    GET_AGENT,
    LIST_AGENTS,
    GetAgent,
    ListAgents,
    Rating,
)
from gateway.asking import account_of, answer, ask, known_id, made, shown
from gateway.auth import is_admin
from gateway.errors import problems
from gateway.pages import LINKED, SAME, Page, listed
from gateway.parameters import PRICE, SEEN, STARS, PathId, StrictRoute, Truth, Whole

router = APIRouter(tags=["agents"], route_class=StrictRoute)

MINE = "me"
"""As an owner: the account that asks."""


AGENTS = TypeAdapter(list[api.Agent])
Words = Annotated[str, Field(min_length=1, max_length=200, json_schema_extra=SEEN)]
Skill = Annotated[str, Field(min_length=1, max_length=100, json_schema_extra=SEEN)]


class Finding(Page):
    """Which agents are wanted, and which part of them."""

    q: Words | None = Field(default=None, description="Words; each is in what it says of itself.")
    skill: Skill | None = Field(default=None, description="A skill, in its very words.")
    available: Truth | None = Field(
        default=None, description="Whether its last health probe answered."
    )
    max_price: Annotated[Money | None, *PRICE] = Field(
        default=None, description="BazaarBucks per call, at the present load."
    )
    min_rating: Annotated[Rating | None, *STARS] = Field(default=None, description="Stars.")
    owner: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        pattern=ID_FORM,
        description="An account; `me` for your own agents, those off the market too.",
    )
    sort: Sorting = Field(
        default="oldest", description="By registration, the listing's price, or the rating."
    )


@router.get(
    "/api/agents",
    summary="The agents, in the order they were registered, or those that fit",
    response_model=list[api.Agent],
    responses={200: LINKED, **SAME, **problems(504)},
)
async def list_agents(request: Request, page: Annotated[Finding, Query()]) -> Response:
    """Each with its price at the present load, its rating, and whether it is available."""
    wanted = page.model_dump(by_alias=False, exclude_defaults=True, exclude={"limit", "cursor"})
    if not wanted:
        everybody = ListAgents(limit=page.limit, cursor=page.cursor)
        return await listed(request, page, LIST_AGENTS, everybody, AGENTS)
    if page.owner == MINE:
        wanted["owner"] = account_of(request)
    question = made(FindAgents, limit=page.limit, cursor=page.cursor, **wanted)
    return await listed(request, page, FIND_AGENTS, question, AGENTS)


@router.get(
    "/api/agents/choose",
    summary="Who is best for something, and why",
    response_model=api.Choice,
    responses={**SAME, **problems(504)},
)
async def choose_agents(
    request: Request,
    skill: Annotated[Skill | None, Query()] = None,
    q: Annotated[Words | None, Query()] = None,
    maxPrice: Annotated[Money | None, *PRICE, Query()] = None,  # noqa: N803  (the parameter's own name)
    limit: Annotated[Whole, Query(ge=1, le=100)] = 20,
) -> Response:
    """Candidates with their scores, best first; the first is who a call by skill goes to.

    By a skill in its very words, by words, or among all.
    """
    words = (q or "").split()[:30]
    question = made(
        ChooseAgents,
        skill=skill,
        words=[word[:100] for word in words],
        sample=0 if skill or words else 200,
        max_price=maxPrice,
        away=True,
        limit=limit,
    )
    choice = await ask(request, CHOOSE_AGENTS, question)
    return answer(shown(api.Choice, choice))


@router.get(
    "/api/agents/{id}",
    summary="One agent",
    response_model=api.Agent,
    responses={**SAME, **problems(404, 504)},
)
async def get_agent(request: Request, id: PathId) -> Response:  # noqa: A002  (the path's own word)
    """An agent as it is listed now; also one that left the market."""
    question = GetAgent(agent_id=known_id(id, "Agent"), as_admin=is_admin(request))
    return answer(shown(api.Agent, (await ask(request, GET_AGENT, question)).agent))
