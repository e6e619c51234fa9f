"""The keys by which agents see that a call is the marketplace's."""

from fastapi import APIRouter, Request, Response

from contracts.signing import LIST_SIGNING_KEYS, ListSigningKeys, SigningKeys
from gateway.asking import ask
from gateway.errors import problems
from gateway.parameters import StrictRoute

router = APIRouter(tags=["agents"], route_class=StrictRoute)
FRESH = "public, max-age=300"


@router.get(
    "/.well-known/jwks.json",
    summary="The public keys of the signatures under calls of agents",
    responses=problems(504),
)
async def get_signing_keys(request: Request, response: Response) -> SigningKeys:
    """A JSON Web Key Set; anybody may have it. Empty when calls are not signed."""
    found = await ask(request, LIST_SIGNING_KEYS, ListSigningKeys())
    response.headers["cache-control"] = FRESH
    return found
