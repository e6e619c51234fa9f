"""The door for clients of OpenAI's chat completions: HubChat is a model, and so are agents.

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

from gateway.doors.openai import completions, errors, models
from gateway.doors.shared.answers import Refused
from gateway.doors.shared.inside import Inside
from gateway.doors.shared.serving import serving
from gateway.settings import Settings


@asynccontextmanager
async def opened(inside: Inside, settings: Settings) -> AsyncIterator[ASGIApp]:
    """The door's app; nothing is open but while it answers."""
    complete = partial(completions.complete, inside=inside, settings=settings)
    routes = [
        Route("/v1/chat/completions", complete, methods=["POST"]),
        Route("/v1/models", partial(models.list_models, inside=inside)),
        Route("/v1/models/{id}", partial(models.get_model, inside=inside)),
    ]
    yield serving(routes, _refused, _unfit)


def _refused(request: Request, refused: Refused) -> Response:
    return errors.refusal(refused, keyed="idempotency-key" in request.headers)


def _unfit(error: HTTPException) -> Response:
    return errors.plain(error.status_code, str(error.detail), error.headers)
