"""Routes of a door that has no application of its own, what it reads, and how it says no."""

from collections.abc import Callable, Sequence
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.bodies import NO_JSON, is_json, read
from gateway.doors.shared.answers import Refused

BUDGET = "bazaar-max-budget"
"""The header that says what may be spent, for clients that cannot set a member."""


def serving(
    routes: Sequence[BaseRoute],
    refused: Callable[[Request, Refused], Response],
    unfit: Callable[[HTTPException], Response],
) -> ASGIApp:
    """An app of these routes; what nobody expected is the gateway's to answer.

    Args:
        routes: of the door.
        refused: the answer to what the API refused.
        unfit: the answer to what the door itself refuses, such as an address with nothing at it.
    """
    router = Router(routes, redirect_slashes=False)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await router(scope, receive, send)
        except Refused as error:
            answer = refused(Request(scope), error)
        except HTTPException as error:
            answer = unfit(error)
        else:
            return
        await answer(scope, receive, send)

    return app


def header(headers: Headers, name: str) -> str | None:
    """A header of the caller's; one that comes twice is a list of both, which the API refuses."""
    given = headers.getlist(name)
    return ", ".join(given) if given else None


async def json_of(request: Request) -> Any:
    """The JSON that was sent.

    Raises:
        HTTPException: 415, it is none by its own words; 422, it is none.
    """
    kinds = request.headers.getlist("content-type")
    if len(kinds) != 1 or not is_json(kinds[0]):
        raise HTTPException(415, NO_JSON)
    return read(await request.body())
