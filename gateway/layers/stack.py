"""Builds the layers around an app; their order and its reasons are in `gateway.layers`."""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from gateway import errors
from gateway.again import Again
from gateway.auth import Check, Door
from gateway.cache import Cache
from gateway.claims import Claims
from gateway.doors.layer import Doors
from gateway.doors.shapes import Shapes
from gateway.hosts import KnownHosts, OwnPages
from gateway.layers import rates
from gateway.layers.access import RequestLog
from gateway.layers.caching import Caching
from gateway.layers.crowds import Crowds
from gateway.layers.head import Head
from gateway.layers.idempotency import OUTCOME, REPLAYED, Idempotency
from gateway.layers.limits import BodyLimit
from gateway.layers.paths import PlainPaths
from gateway.layers.paying import Paying
from gateway.layers.protection import Protection
from gateway.layers.rates import RateLimit
from gateway.layers.tracing import traced
from gateway.settings import Settings

ALLOWED_HEADERS = [
    "Authorization",
    "Bazaar-Max-Budget",
    "Content-Type",
    "Idempotency-Key",
    "Last-Event-ID",
    "traceparent",
    # Of the doors' protocols.
    "A2A-Extensions",
    "A2A-Version",
    "MCP-Protocol-Version",
    "Mcp-Method",
    "Mcp-Name",
    # Of payments by machines.
    "PAYMENT-SIGNATURE",
    "Payment-Authorization",
]
REPEATED: frozenset[Any] = frozenset(
    {
        RequestLog,
        Protection,
        Shapes,
        PlainPaths,
        KnownHosts,
        OwnPages,
        CORSMiddleware,
        errors.Shield,
        RateLimit,
        Door,
        BodyLimit,
        Paying,
        Doors,
    }
)
"""Layers outside the cache that decide by the bytes of a GET alone, or leave to `gateway.again`
what they look at besides. With any other (traces), nothing is answered below the layers."""
EXPOSED_HEADERS = [
    "ETag",
    "Link",
    "Retry-After",
    "X-Request-Id",
    OUTCOME,
    REPLAYED,
    "PAYMENT-REQUIRED",
    "PAYMENT-RESPONSE",
    "Payment-Receipt",
    "WWW-Authenticate",
]


def around(
    app: ASGIApp, settings: Settings, checks: Sequence[Check], claims: Claims, cache: Cache
) -> ASGIApp:
    """The layers with `app` inside; `checks` find out who asks, when that is asked."""
    layers = [*_layers(settings, checks, claims, cache)]
    if REPEATED.issuperset(layer.cls for layer in takewhile(_is_outside, layers)):
        layers.insert(0, Middleware(Again))
    for layer in reversed(layers):
        app = layer.cls(app, *layer.args, **layer.kwargs)
    return app


def _is_outside(layer: Middleware) -> bool:
    factory: object = layer.cls
    return factory is not Caching


def _layers(
    settings: Settings, checks: Sequence[Check], claims: Claims, cache: Cache
) -> Iterator[Middleware]:
    yield Middleware(RequestLog)
    yield Middleware(Protection)
    yield Middleware(Shapes)
    yield Middleware(PlainPaths)
    if settings.hosts:
        yield Middleware(KnownHosts, hosts=settings.hosts)
    if settings.auth_mode == "none":
        yield Middleware(OwnPages, origins=settings.cors_origins)
    yield Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_credentials=True,
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=ALLOWED_HEADERS,
        expose_headers=EXPOSED_HEADERS,
    )
    yield Middleware(errors.Shield)
    yield from traced()
    yield Middleware(RateLimit, limit=settings.rate_limit_address, who=rates.address)
    yield Middleware(RateLimit, limit=settings.rate_limit_webhook, who=rates.webhook)
    anybody = settings.auth_mode == "none"
    yield from (Middleware(Door, check=check, anybody=anybody) for check in checks)
    yield Middleware(RateLimit, limit=settings.rate_limit_account, who=rates.account)
    yield Middleware(
        BodyLimit,
        limit=settings.body_limit,
        wait_s=settings.body_wait_s,
        in_hand=settings.bodies_in_hand,
    )
    if settings.machine_payments:
        yield Middleware(Paying)
    yield Middleware(Doors, settings=settings)
    yield Middleware(Caching, cache=cache, account=settings.default_account)
    yield Middleware(Crowds)
    yield Middleware(
        Idempotency,
        claims=claims,
        account=settings.default_account,
        machines=settings.machine_payments,
    )
    yield Middleware(Head)
