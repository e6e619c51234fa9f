"""One log line for each request: what was asked, by whom, how it ended and how long it took."""

import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.metrics import HTTP_REQUEST_SECONDS, HTTP_REQUESTS
from contracts.envelope import Envelope

log = structlog.get_logger()

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
QUIET = frozenset({"/health", "/ready"})
"""Asked every few seconds by whatever watches the gateway: logged at DEBUG."""


class RequestLog:
    """ASGI middleware: logs method, route, status, ms, account and correlation id; no bodies."""

    def __init__(self, app: ASGIApp) -> None:
        """Log the requests that `app` answers."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app and write the line when it is done."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status: int | None = None

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            seconds = time.perf_counter() - begun
            route = getattr(scope.get("route"), "path", None)
            _count(scope["method"], route, status, seconds)
            write = log.debug if scope["path"] in QUIET else log.info
            write(
                "request",
                method=scope["method"],
                route=route,
                status=status,
                ms=round(seconds * 1000, 1),
                **_cause(scope.get("state", {}).get("cause")),
            )


def _count(method: str, route: str | None, status: int | None, seconds: float) -> None:
    """By route, not by address, and by known methods: callers must not make up new series."""
    method = method if method in METHODS else "other"
    route = route or "none"
    HTTP_REQUESTS.labels(method, route, status or "none").inc()
    HTTP_REQUEST_SECONDS.labels(method, route).observe(seconds)


def _cause(cause: Envelope | None) -> dict[str, str]:
    """What the route noted about the request, when it came so far."""
    if cause is None:
        return {}
    return {"account": cause.account, "correlation_id": cause.correlation_id}
