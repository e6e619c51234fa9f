"""What every request passes on its way to the routes, from the outside to the inside, and why so.

All are plain ASGI, and all are around FastAPI: an answer from the cache never gets there. What is
outside sees what is inside, errors too; so the log comes first, and what refuses cheaply comes
before what costs more. Nobody is given an answer from the cache who may not ask, or asks too often.
"""

from collections.abc import Iterator, Sequence

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from gateway import errors, rates
from gateway.access import RequestLog
from gateway.auth import Check, Door
from gateway.cache import Cache
from gateway.caching import Caching
from gateway.claims import Claims
from gateway.head import Head
from gateway.hosts import KnownHosts, OwnPages
from gateway.idempotency import OUTCOME, REPLAYED, Idempotency
from gateway.limits import BodyLimit
from gateway.paths import PlainPaths
from gateway.protection import Protection
from gateway.rates import RateLimit
from gateway.settings import Settings
from gateway.tracing import traced

ALLOWED_HEADERS = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "Last-Event-ID",
    "traceparent",
]
EXPOSED_HEADERS = ["ETag", "Link", "Retry-After", OUTCOME, REPLAYED]


def around(
    app: ASGIApp, settings: Settings, checks: Sequence[Check], claims: Claims, cache: Cache
) -> ASGIApp:
    """The layers with `app` inside; `checks` find out who asks, when that is asked."""
    for layer in reversed([*_layers(settings, checks, claims, cache)]):
        app = layer.cls(app, *layer.args, **layer.kwargs)
    return app


def _layers(
    settings: Settings, checks: Sequence[Check], claims: Claims, cache: Cache
) -> Iterator[Middleware]:
    # Of every request there is a line, and every answer has the headers that protect browsers.
    yield Middleware(RequestLog)
    yield Middleware(Protection)
    # What must not be asked at all is told to nobody, not even with CORS headers.
    yield Middleware(PlainPaths)
    if settings.hosts:
        yield Middleware(KnownHosts, hosts=settings.hosts)
    if settings.auth_mode == "none":
        yield Middleware(OwnPages, origins=settings.cors_origins)
    # Pages may read errors as well; and whatever fails inside, an answer leaves.
    yield Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_credentials=True,
        allow_methods=["GET", "HEAD", "POST", "DELETE"],
        allow_headers=ALLOWED_HEADERS,
        expose_headers=EXPOSED_HEADERS,
    )
    yield Middleware(errors.Shield)
    yield from traced()
    # An address is counted before its credential is looked at, an account once it is known.
    yield Middleware(RateLimit, limit=settings.rate_limit_address, who=rates.address)
    yield Middleware(RateLimit, limit=settings.rate_limit_webhook, who=rates.webhook)
    yield from (Middleware(Door, check=check) for check in checks)
    yield Middleware(RateLimit, limit=settings.rate_limit_account, who=rates.account)
    # Here it is known who asks and that he may: the cache answers, and notes who writes.
    yield Middleware(Caching, cache=cache, account=settings.default_account)
    # The body is whole before it is compared with an earlier one, or anything is begun.
    yield Middleware(
        BodyLimit,
        limit=settings.body_limit,
        wait_s=settings.body_wait_s,
        in_hand=settings.bodies_in_hand,
    )
    yield Middleware(Idempotency, claims=claims, account=settings.default_account)
    yield Middleware(Head)
