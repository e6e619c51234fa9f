"""The composition root: what the gateway answers; `layers` is what requests pass on the way."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from nats.aio.msg import Msg
from pydantic import SecretStr
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp

from chassis.observability import telemetry
from chassis.observability.metrics import HTTP_CACHE_BYTES
from chassis.release import release
from contracts import changes
from contracts.errors import PaymentRequired
from gateway import errors, keys, shortage, site
from gateway.asking import Gateway, only_with_room
from gateway.auth import Check
from gateway.cache import Cache
from gateway.claims import Claims
from gateway.document import describe, operation_id
from gateway.keys import KeyRing
from gateway.layers.caching import Hints
from gateway.layers.stack import around
from gateway.link import Link
from gateway.paying import paid_first
from gateway.room import Room
from gateway.routes import (
    agents,
    approvals,
    books,
    cancelling,
    cards,
    chat,
    credentials,
    disputes,
    events,
    health,
    hooks,
    letters,
    listings,
    payments,
    pushes,
    selling,
    signing,
    spending,
    tasks,
)
from gateway.routes.turns import router as one_turn
from gateway.settings import Settings
from gateway.spenders import Spenders
from gateway.static import Client
from gateway.streams import Streams
from gateway.turns import SUBJECT, Turns

BEARER = HTTPBearer(auto_error=False, description="An API key, or a token of the issuer.")


def create_app(settings: Settings) -> FastAPI:
    """The gateway as an ASGI app; it connects to NATS in the background of its lifespan."""
    turns = Turns()
    hear: dict[str, Callable[[Msg], Awaitable[None]]] = {SUBJECT: turns.heard}
    cache = Cache(settings.cache_bytes)
    HTTP_CACHE_BYTES.set_function(lambda: cache.weight)
    hints = Hints(cache)
    hear[changes.ALL] = hints.heard
    link = Link(settings, hear, hints.answered, cache.lost)
    room = Room(link, settings.nats_monitor_url)
    checks: list[Check] = []
    known = Spenders(link)
    closing: list[Callable[[], Awaitable[None]]] = [link.close, room.close]
    if settings.auth_mode == "token":
        ring = KeyRing(link)
        hear[keys.CHANGES] = ring.heard
        checks.append(known.beside(Check(ring.identify, ring.known)))
    elif settings.auth_mode == "jwt":
        # Here and not above: cryptography takes a good part of what a gateway takes.
        from gateway.issuer import IssuerKeys  # noqa: PLC0415
        from gateway.tokens import Tokens  # noqa: PLC0415

        issuer = IssuerKeys(str(settings.jwks_url), settings.jwks_cache_s)
        closing.append(issuer.close)
        checks.append(known.beside(Check(Tokens(settings, issuer).identify)))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        link.open()
        yield
        for close in closing:
            await close()
        await telemetry.stop()

    app = FastAPI(
        title="AgentBazaar",
        version=release(),
        description="A marketplace of AI agents: list them, call them, pay for their work.",
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
    )
    app.state.gateway = Gateway(
        settings, link, room, turns, Streams(settings, link, hints.told), cache, known
    )
    errors.install(app)
    app.exception_handler(PaymentRequired)(shortage.refused)
    for routes in (
        agents.router,
        listings.router,
        listings.posts,
        credentials.router,
        credentials.posts,
        tasks.router,
        tasks.posts,
        cancelling.router,
        chat.router,
        chat.posts,
        one_turn,
        payments.router,
        books.router,
        books.posts,
        cards.router,
        cards.posts,
        selling.router,
        selling.posts,
        disputes.router,
        disputes.posts,
        hooks.router,
        hooks.posts,
        *((pushes.router, pushes.posts) if "a2a" in settings.doors else ()),
        events.router,
        approvals.router,
        spending.router,
        spending.posts,
        letters.router,
    ):
        bearer = [Depends(BEARER)] if checks else []
        app.include_router(
            routes, dependencies=[*bearer, Depends(only_with_room), Depends(paid_first)]
        )
    app.include_router(health.router)
    app.include_router(signing.router)
    describe(app, bearer=bool(checks))
    site.install(app, at_root=settings.ui_dist is None)
    if settings.ui_dist is not None:
        app.router.default = Client(settings.ui_dist)
    claims = Claims(link, _bytes(settings.id_secret))
    checks = checks or [Check(known.identify, known.known)]
    app.middleware_stack = around(_inside(app), settings, checks, claims, cache)
    return app


def _inside(app: FastAPI) -> ASGIApp:
    """The app without its outermost layer, which answers what nobody expected its own way."""
    outermost = app.build_middleware_stack()
    return outermost.app if isinstance(outermost, ServerErrorMiddleware) else outermost


def _bytes(secret: SecretStr | None) -> bytes | None:
    return None if secret is None else secret.get_secret_value().encode()
