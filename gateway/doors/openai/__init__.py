"""The door for clients of OpenAI's chat completions: HubChat is a model, and so are agents.

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

from gateway.doors.openai import completions, errors, models
from gateway.doors.shared.inside import Inside, Refused
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
    # No application of its own: what nobody expected is the gateway's to answer.
    handlers = {Refused: _refused, HTTPException: _nothing_here}
    yield ExceptionMiddleware(Router(routes, redirect_slashes=False), handlers)


async def _refused(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)  # noqa: S101  (as it is registered)
    return errors.refusal(refused, keyed="idempotency-key" in request.headers)


async def _nothing_here(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  (as it is registered)
    return errors.plain(error.status_code, error.detail, error.headers)
