"""One log line for each request: what was asked, by whom, how it ended and how long it took."""

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.bus.envelopes import new_id
from chassis.observability.metrics import HTTP_REQUEST_SECONDS, HTTP_REQUESTS
from contracts.envelope import Envelope
from gateway.again import REQUEST_ID, Tell, looks_of

log = structlog.get_logger()

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
QUIET = frozenset({"/health", "/ready"})
"""Asked every few seconds by whatever watches the gateway: logged at DEBUG."""


class RequestLog:
    """ASGI middleware: logs method, route, status, ms, account and correlation id; no bodies.

    The id is the request's own: the answer has it as X-Request-Id, and so has each log line, of any
    service, about what follows from the request.
    """

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
        request_id = new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.bind_contextvars(correlation_id=request_id)

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])  # some say it by an enumeration
                header = (REQUEST_ID, request_id.encode())
                message = {**message, "headers": [*message.get("headers", ()), header]}
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            told = _telling(scope, status)
            told(request_id, time.perf_counter() - begun)
            if looks := looks_of(scope):
                looks.tell.append(told)


def _telling(scope: Scope, status: int | None) -> Tell:
    """What notes a request in log and metrics; nothing else of it is kept with that."""
    method, route = scope["method"], getattr(scope.get("route"), "path", None)
    counted, timed = _series(method if method in METHODS else "other", route or "none", status)
    write = log.debug if scope["path"] in QUIET else log.info
    whose = _whose(scope.get("state", {}))

    def told(request_id: str, seconds: float) -> None:
        counted.inc()
        timed.observe(seconds)
        write(
            "request",
            method=method,
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            **whose,
            correlation_id=request_id,
        )

    return told


@lru_cache(maxsize=512)  # Looking them up costs more than counting.
def _series(method: str, route: str, status: int | None) -> tuple[Counter, Histogram]:
    """By route, not by address, and by known methods: callers must not make up new series."""
    counted = HTTP_REQUESTS.labels(method, route, status or "none")
    return counted, HTTP_REQUEST_SECONDS.labels(method, route)


def _whose(state: Mapping[str, Any]) -> dict[str, str]:
    """The account, when the request came so far that it is known."""
    cause: Envelope | None = state.get("cause")
    account = cause.account if cause is not None else state.get("account")
    return {} if account is None else {"account": account}
