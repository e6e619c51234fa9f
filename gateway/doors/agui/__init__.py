"""The door for front ends that speak AG-UI: a run is a turn of HubChat.

docs/protocols.md says what of that protocol is spoken, and what is not.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.doors.agui.runs import run
from gateway.doors.shared.answers import Refused
from gateway.doors.shared.inside import Inside
from gateway.doors.shared.serving import serving
from gateway.errors import problem
from gateway.settings import Settings


@asynccontextmanager
async def opened(inside: Inside, settings: Settings) -> AsyncIterator[ASGIApp]:
    """The door's app; nothing is open but while it answers."""
    begun = partial(run, inside=inside, settings=settings)
    yield serving([Route("/agui", begun, methods=["POST"])], _refused, _unfit)


def _refused(_request: Request, refused: Refused) -> Response:
    """What the API refused, as it is: AG-UI has no errors of its own before a run begins."""
    again = refused.headers.get("retry-after")
    return problem(refused.status, refused.sentence, {"Retry-After": again} if again else None)


def _unfit(error: HTTPException) -> Response:
    return problem(error.status_code, str(error.detail), error.headers)
