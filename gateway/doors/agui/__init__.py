"""The door for front ends that speak AG-UI: a run is a turn of HubChat.

docs/protocols.md says what of that protocol is spoken, and what is not.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from gateway.doors.agui.runs import run
from gateway.doors.shared.inside import Inside, Refused
from gateway.errors import problem
from gateway.settings import Settings


@asynccontextmanager
async def opened(inside: Inside, settings: Settings) -> AsyncIterator[ASGIApp]:
    """The door's app; nothing is open but while it answers."""
    begun = partial(run, inside=inside, settings=settings)
    routes = [Route("/agui", begun, methods=["POST"])]
    # No application of its own: what nobody expected is the gateway's to answer.
    handlers = {Refused: _refused, HTTPException: _nothing_here}
    yield ExceptionMiddleware(Router(routes, redirect_slashes=False), handlers)


async def _refused(_request: Request, refused: Exception) -> Response:
    """What the API refused, as it is: AG-UI has no errors of its own before a run begins."""
    assert isinstance(refused, Refused)  # noqa: S101  (as it is registered)
    again = refused.headers.get("retry-after")
    return problem(refused.status, refused.sentence, {"Retry-After": again} if again else None)


async def _nothing_here(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  (as it is registered)
    return problem(error.status_code, error.detail, error.headers)
