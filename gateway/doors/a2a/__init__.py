"""The door for A2A clients: 1.0 by JSON-RPC and by HTTP+JSON at /a2a, and 0.3 for who speaks that.

Nothing of a task is kept here: it is asked for, or read out of the event stream, at any gateway.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from a2a.server.jsonrpc_models import JSONParseError
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.server.request_handlers.response_helpers import build_error_response
from a2a.server.routes import create_jsonrpc_routes, create_rest_routes
from a2a.utils.error_handlers import build_rest_error_payload
from a2a.utils.errors import A2AError
from google.protobuf.json_format import ParseError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.doors.a2a.answering import small
from gateway.doors.a2a.card import card_route
from gateway.doors.a2a.context import Callers, only_json
from gateway.doors.a2a.handler import Handler
from gateway.doors.shared.inside import Inside
from gateway.doors.shared.lasting import Lasting
from gateway.settings import Settings

PLACE = "/a2a"
NO_JSON = "The body is no JSON that could be read."
NO_ROUTE = {404: "NOT_FOUND", 405: "UNIMPLEMENTED"}
"""What google.rpc calls it."""


@asynccontextmanager
async def opened(inside: Inside, settings: Settings) -> AsyncIterator[ASGIApp]:
    """The door's app, until the block is left."""
    # What goes wrong is told to whoever asked, and the library's lines hold what he sent.
    logging.getLogger("a2a").setLevel(logging.CRITICAL)
    async with Lasting() as lasting:
        routes = _routes(Handler(inside, lasting), settings)
        card = card_route(keys=settings.auth_mode != "none")
        yield Starlette(routes=[card, *routes], exception_handlers={HTTPException: _nothing})


def _routes(handler: RequestHandler, settings: Settings) -> list[Route]:
    """Both bindings; a tenant in the path would be nobody's."""
    callers = Callers()
    # With a slash at the end, too: clients that join addresses ask there, and follow no redirect.
    rpc = [
        _json_alone(route)
        for place in (PLACE, f"{PLACE}/")
        for route in create_jsonrpc_routes(handler, place, callers, enable_v0_3_compat=True)
    ]
    all_ = create_rest_routes(handler, callers, enable_v0_3_compat=True, path_prefix=PLACE)
    rest = [_text_alone(route) for route in all_ if isinstance(route, Route)]
    return [small(one, settings) for one in (*rpc, *rest)]


def _json_alone(route: Route) -> Route:
    """A route of JSON-RPC; the library would read a body before it looks what that says it is.

    What it cannot read would be an error of ours there.
    """

    async def checked(request: Request) -> Response:
        try:
            only_json(request)
            await request.json()  # It is kept.
        except A2AError as error:
            return JSONResponse(build_error_response(None, error))
        except (ValueError, RecursionError):
            return JSONResponse(build_error_response(None, JSONParseError(message=NO_JSON)))
        answer: Response = await route.endpoint(request)
        return answer

    return Route(route.path, checked, methods=["POST"])


def _text_alone(route: Route) -> Route:
    """A route of HTTP+JSON; a body that is no text would be an error of ours in the library."""

    async def checked(request: Request) -> Response:
        try:
            (await request.body()).decode()
        except UnicodeDecodeError:
            return JSONResponse(build_rest_error_payload(ParseError(NO_JSON)), 400)
        answer: Response = await route.endpoint(request)
        return answer

    return Route(route.path, checked, methods=[*(route.methods or ())])


async def _nothing(_request: Request, error: HTTPException) -> Response:
    """The answer to what has no route: an address, or a method."""
    status = error.status_code
    said = {"code": status, "status": NO_ROUTE.get(status, "UNKNOWN"), "message": error.detail}
    return JSONResponse({"error": said}, status, error.headers)
