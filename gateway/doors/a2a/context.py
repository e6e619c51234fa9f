"""Whose request it is, on its way through the library."""

from a2a.server.context import ServerCallContext
from a2a.server.routes.common import DefaultServerCallContextBuilder
from starlette.requests import Request
from starlette.types import Scope

SCOPE = "scope"


class Callers(DefaultServerCallContextBuilder):
    """Keeps the HTTP request with the call."""

    def build(self, request: Request) -> ServerCallContext:
        """The library's context, and in it the request."""
        context = super().build(request)
        context.state[SCOPE] = request.scope
        return context


def scope_of(context: ServerCallContext) -> Scope:
    """The HTTP request of a call."""
    scope: Scope = context.state[SCOPE]
    return scope
