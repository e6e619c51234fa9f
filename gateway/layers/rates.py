"""How much may be asked: per address and per account, counted by each gateway for itself."""

import math
from collections.abc import Callable
from functools import partial

from limits import RateLimitItem, parse
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.http.bounds import place
from gateway.again import Count, looks_of
from gateway.auth import WEBHOOK, guarded
from gateway.doors import door_at
from gateway.errors import problem
from gateway.layers.windows import SlidingWindow

Who = Callable[[Scope], str | None]
"""Whom a request is counted for; None when it is not."""


def address(scope: Scope) -> str | None:
    """The caller's address, for all of /api but the webhook, and at the doors."""
    path = scope["path"]
    return _host(scope) if guarded(path) or door_at(path) else None


def webhook(scope: Scope) -> str | None:
    """The caller's address, for the webhook."""
    return _host(scope) if scope["path"] == WEBHOOK else None


def account(scope: Scope) -> str | None:
    """The caller's account, once it is known who they are."""
    identity = scope.get("state", {}).get("identity")
    return identity.account if identity else None


def _host(scope: Scope) -> str:
    client = scope.get("client")
    return place(client[0]) if client else "unknown"


class RateLimit:
    """ASGI middleware: 429 with `Retry-After` for whom a limit is reached."""

    def __init__(self, app: ASGIApp, limit: str, who: Who) -> None:
        """Let `limit` requests (as `600/minute`) through to `app` for each that `who` names."""
        self._app = app
        self._limit: RateLimitItem = parse(limit)
        self._who = who
        self._counted = SlidingWindow(self._limit.amount, self._limit.get_expiry())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the request; run the app while the limit is not reached."""
        name = self._who(scope) if scope["type"] == "http" else None
        if name is None:
            await self._app(scope, receive, send)
            return
        if looks := looks_of(scope):
            counted = self._counted
            looks.counts.append(Count(partial(counted.hit, name), partial(counted.give_back, name)))
        if self._counted.hit(name):
            await self._app(scope, receive, send)
            return
        wait = max(1, math.ceil(self._counted.wait_s(name)))
        text = f"Too many requests: {self._limit} are allowed. Try again in {wait} s."
        await problem(429, text, {"Retry-After": str(wait)})(scope, receive, send)
