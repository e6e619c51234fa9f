"""Whose request it is, on its way through the library."""

from a2a.server.context import ServerCallContext
from a2a.server.routes.common import DefaultServerCallContextBuilder
from a2a.utils.errors import ContentTypeNotSupportedError
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

SCOPE = "scope"
JSON = frozenset({"application/json", "application/a2a+json"})


def only_json(request: Request) -> None:
    """Let nothing pass that is no JSON by its own words; a page may send that unasked.

    Raises:
        A2AError: it is none.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.headers.get("content-length", "0") != "0" and kind not in JSON:
        raise ContentTypeNotSupportedError("Send JSON, with its Content-Type.")


class Callers(DefaultServerCallContextBuilder):
    """Keeps the HTTP request with the call."""

    def build(self, request: Request) -> ServerCallContext:
        """The library's context, and in it the request.

        Raises:
            A2AError: see `only_json`.
        """
        only_json(request)
        context = super().build(request)
        context.state[SCOPE] = request.scope
        return context


def scope_of(context: ServerCallContext) -> Scope:
    """The HTTP request of a call."""
    scope: Scope = context.state[SCOPE]
    return scope


def version_of(scope: Scope) -> str:
    """The version that was spoken: who names none speaks 0.3."""
    named = Headers(scope=scope).get("a2a-version", "")
    return "1.0" if named.partition(".")[0] == "1" else "0.3"
