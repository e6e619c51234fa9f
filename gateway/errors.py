"""Every error as one JSON shape: `error` is a sentence for people, the rest is RFC 9457."""

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.observability.terminal import escaped
from contracts.api import PaymentProblem, Problem
from contracts.base import ID_FORM
from contracts.credentials import HEADER, VALUE
from contracts.errors import Busy, Internal, Refusal
from contracts.quotes import QUOTE_FORM
from gateway.faults import told, where
from gateway.link import STOPPING

log = structlog.get_logger()

OURS = "Something went wrong on our side."
MAX_SENTENCE = 500
PROBLEM_JSON = "application/problem+json"
"""Of errors that programs act upon."""
AGAIN = {"Retry-After": "1"}
"""For who may come again in a moment."""
_WORDS = {
    "extra_forbidden": "There is no such field.",
    "dict_type": "A JSON object is expected.",
}
_FORMS = {
    ID_FORM: "Letters, digits, - and _ are expected.",
    QUOTE_FORM: "This is no id of a quote.",
    HEADER: "The name of a header is expected.",
    VALUE: "1 to 4,096 visible ASCII characters are expected, spaces in between.",
}
"""What is told in place of a regular expression."""
_SOURCES = {"body", "query", "path", "header"}
_SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address does not answer that method.",
}


def problem(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """The response for an error; each 503 says when to come again."""
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers = {**AGAIN, **(headers or {})}
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    body = Problem(error=text, title=title, status=status, detail=text)
    return Response(escaped(body.model_dump_json()), status, headers, "application/json")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route itself refuses with; `document` adds what is refused before it is reached."""
    return {
        status: {
            "model": PaymentProblem if status == HTTPStatus.PAYMENT_REQUIRED else Problem,
            "description": HTTPStatus(status).phrase,
        }
        for status in sorted(statuses)
    }


def sentence(errors: Sequence[Any]) -> str:
    """The first of Pydantic's errors as one sentence that names the field."""
    first = errors[0]
    # A field of a body may be called as a place is.
    place = [str(part) for part in first["loc"][first["loc"][0] in _SOURCES :]]
    form = first.get("ctx", {}).get("pattern")
    text = _WORDS.get(first["type"]) or _FORMS.get(form) or str(first["msg"])
    text = text.removeprefix("Value error, ")
    if place:
        return f"{'.'.join(place)}: {text}"[:MAX_SENTENCE]
    return "A JSON object is expected as the body."


async def _refused(request: Request, error: Refusal) -> Response:
    if isinstance(error, Internal):
        route = getattr(request.scope.get("route"), "path", None)
        log.error("refused", route=route, error=error.message, why=told(error.__cause__))
    return problem(error.code, error.message, AGAIN if isinstance(error, Busy) else None)


async def _not_valid(_request: Request, error: RequestValidationError) -> Response:
    return problem(422, sentence(error.errors()))


async def _http_error(request: Request, error: HTTPException) -> Response:
    standard = error.detail == HTTPStatus(error.status_code).phrase
    text = _SENTENCES.get(error.status_code, error.detail) if standard else error.detail
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return problem(error.status_code, text, {"Allow": ", ".join(_methods(request))})
    return problem(error.status_code, text, error.headers)


def _methods(request: Request) -> list[str]:
    """All that the address answers; Starlette would name those of the first route alone."""
    path = request.url.path
    routes = [one for one in iter_route_contexts(request.app.routes) if one.methods]
    matching = [one for one in routes if one.path_regex.match(path)]
    # An address of its own is no id of something.
    own = [one for one in matching if one.path == path]
    found = {method for one in own or matching for method in one.methods or ()}
    found = found or {"GET"}  # no route: a page of the client
    return sorted(found | ({"HEAD"} if "GET" in found else set()))


def install(app: FastAPI) -> None:
    """Make `app` answer refusals, wrong input and unknown addresses in this shape."""
    app.exception_handler(Refusal)(_refused)
    app.exception_handler(RequestValidationError)(_not_valid)
    app.exception_handler(HTTPException)(_http_error)


class BrokenOff(Exception):
    """An answer that had begun cannot be finished; why is in the log already."""


class Shield:
    """ASGI middleware: what nobody expected is logged and answered without its details."""

    def __init__(self, app: ASGIApp) -> None:
        """Protect `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app; answer for it when it fails before it began to answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except asyncio.CancelledError:
            # Only the server cancels a request: its time to finish after SIGTERM is over.
            if begun:
                raise
            await problem(503, STOPPING, _of_lost(scope))(scope, receive, send)
        except Exception as error:  # noqa: BLE001  (whatever nobody expected)
            route = getattr(scope.get("route"), "path", None)
            log.error("request failed", route=route, error=told(error), at=where(error))
            if begun:
                raise BrokenOff from None
            await problem(500, OURS, _of_lost(scope))(scope, receive, send)


def _of_lost(scope: Scope) -> Mapping[str, str] | None:
    """The headers that whoever was on the way wants on an answer in place of a lost one."""
    found: Mapping[str, str] | None = scope.get("state", {}).get("headers_if_lost")
    return found
