"""One log line for each request: what was asked, by whom, how it ended and how long it took."""

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.observability.metrics import HTTP_REQUEST_SECONDS, HTTP_REQUESTS
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
                **_about(scope.get("state", {})),
            )


def _count(method: str, route: str | None, status: int | None, seconds: float) -> None:
    """By route, not by address, and by known methods: callers must not make up new series."""
    counted, timed = _series(method if method in METHODS else "other", route or "none", status)
    counted.inc()
    timed.observe(seconds)


@lru_cache(maxsize=512)  # Looking them up costs more than counting.
def _series(method: str, route: str, status: int | None) -> tuple[Counter, Histogram]:
    counted = HTTP_REQUESTS.labels(method, route, status or "none")
    return counted, HTTP_REQUEST_SECONDS.labels(method, route)


def _about(state: Mapping[str, Any]) -> dict[str, str]:
    """What is known of the request, when it came so far; a cached answer has caused nothing."""
    cause: Envelope | None = state.get("cause")
    if cause is None:
        return {"account": state["account"]} if "account" in state else {}
    return {"account": cause.account, "correlation_id": cause.correlation_id}
