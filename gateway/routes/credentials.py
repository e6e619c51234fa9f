"""What an agent wants to see with calls, as its owner gave it: kept, and never shown."""

from fastapi import APIRouter, Request, Response

from contracts import api, bodies
from contracts.credentials import SET_CREDENTIAL, CredentialKept, SetCredential
from gateway.asking import answer, ask, known_id, made
from gateway.auth import is_admin
from gateway.bodies import JsonRoute
from gateway.errors import problems
from gateway.parameters import PathId, StrictRoute

router = APIRouter(tags=["agents"], route_class=StrictRoute)
posts = APIRouter(tags=["agents"], route_class=JsonRoute)


@posts.post(
    "/api/agents/{id}/credential",
    summary="Give what is sent with calls of an agent",
    response_model=api.AgentCredential,
    responses=problems(400, 404, 409, 415, 504),
)
async def set_credential(request: Request, id: PathId, body: bodies.GivenCredential) -> Response:  # noqa: A002  (the path's own word)
    """In the place of what was given before; sent to the origin of the listing alone."""
    order = made(
        SetCredential,
        agent_id=known_id(id, "Agent"),
        header=body.header,
        value=body.value,
        as_admin=is_admin(request),
    )
    return _say(await ask(request, SET_CREDENTIAL, order))


@router.delete(
    "/api/agents/{id}/credential",
    summary="Send nothing with calls of an agent any more",
    response_model=api.AgentCredential,
    responses=problems(404, 504),
)
async def delete_credential(request: Request, id: PathId) -> Response:  # noqa: A002  (the path's own word)
    """It is gone then."""
    order = SetCredential(agent_id=known_id(id, "Agent"), as_admin=is_admin(request))
    return _say(await ask(request, SET_CREDENTIAL, order))


def _say(kept: CredentialKept) -> Response:
    return answer(api.AgentCredential.model_validate(kept.model_dump(by_alias=False)))
