"""The composition root: what the gateway answers, and what it passes through on the way."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from nats.aio.msg import Msg
from pydantic import SecretStr
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from chassis import telemetry
from chassis.release import release
from gateway import errors, keys, rates
from gateway.access import RequestLog
from gateway.asking import Gateway, only_with_room
from gateway.auth import Door
from gateway.claims import Claims
from gateway.document import describe, operation_id
from gateway.head import Head
from gateway.hosts import KnownHosts, OwnPages
from gateway.idempotency import OUTCOME, REPLAYED, Idempotency
from gateway.issuer import IssuerKeys
from gateway.keys import KeyRing
from gateway.limits import BodyLimit
from gateway.link import Link
from gateway.paths import PlainPaths
from gateway.protection import Protection
from gateway.rates import RateLimit
from gateway.room import Room
from gateway.routes import agents, books, cancelling, cards, chat, events, health, payments, tasks
from gateway.routes.turns import router as one_turn
from gateway.settings import Settings
from gateway.static import Client
from gateway.streams import Streams
from gateway.tokens import Tokens
from gateway.tracing import traced
from gateway.turns import SUBJECT, Turns

ALLOWED_HEADERS = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "Last-Event-ID",
    "traceparent",
]
BEARER = HTTPBearer(auto_error=False, description="An API key, or a token of the issuer.")


def create_app(settings: Settings) -> FastAPI:
    """The gateway as an ASGI app; it connects to NATS in the background of its lifespan."""
    turns = Turns()
    hear: dict[str, Callable[[Msg], Awaitable[None]]] = {SUBJECT: turns.heard}
    link = Link(settings, hear)
    room = Room(link, settings.nats_monitor_url)
    doors = []
    issuer: IssuerKeys | None = None
    if settings.auth_mode == "token":
        ring = KeyRing(link)
        hear[keys.CHANGES] = ring.heard
        doors.append(Middleware(Door, check=ring.identify))
    elif settings.auth_mode == "jwt":
        issuer = IssuerKeys(str(settings.jwks_url), settings.jwks_cache_s)
        doors.append(Middleware(Door, check=Tokens(settings, issuer).identify))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        link.open()
        yield
        await link.close()
        await room.close()
        if issuer is not None:
            await issuer.close()
        await telemetry.stop()

    app = FastAPI(
        title="AgentBazaar",
        version=release(),
        description="A marketplace of AI agents: list them, call them, pay for their work.",
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
        generate_unique_id_function=operation_id,
        middleware=[
            Middleware(RequestLog),
            Middleware(Protection),
            Middleware(PlainPaths),
            *_neighbours(settings),
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_credentials=True,
                allow_methods=["GET", "HEAD", "POST", "DELETE"],
                allow_headers=ALLOWED_HEADERS,
                expose_headers=["Link", "Retry-After", OUTCOME, REPLAYED],
            ),
            Middleware(errors.Shield),
            *traced(),
            Middleware(RateLimit, limit=settings.rate_limit_address, who=rates.address),
            Middleware(RateLimit, limit=settings.rate_limit_webhook, who=rates.webhook),
            *doors,
            Middleware(RateLimit, limit=settings.rate_limit_account, who=rates.account),
            Middleware(
                BodyLimit,
                limit=settings.body_limit,
                wait_s=settings.body_wait_s,
                in_hand=settings.bodies_in_hand,
            ),
            Middleware(
                Idempotency,
                claims=Claims(link, _bytes(settings.id_secret)),
                account=settings.default_account,
            ),
            Middleware(Head),
        ],
    )
    app.state.gateway = Gateway(settings, link, room, turns, Streams(settings, link))
    errors.install(app)
    for routes in (
        agents.router,
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
        events.router,
    ):
        bearer = [Depends(BEARER)] if doors else []
        app.include_router(routes, dependencies=[*bearer, Depends(only_with_room)])
    app.include_router(health.router)
    describe(app, bearer=bool(doors))
    if settings.ui_dist is not None:
        app.router.default = Client(settings.ui_dist)
    return app


def _neighbours(settings: Settings) -> list[Middleware]:
    """What looks at the host that was asked, and at whose page asks."""
    found = []
    if settings.hosts:
        found.append(Middleware(KnownHosts, hosts=settings.hosts))
    if settings.auth_mode == "none":
        found.append(Middleware(OwnPages, origins=settings.cors_origins))
    return found


def _bytes(secret: SecretStr | None) -> bytes | None:
    return None if secret is None else secret.get_secret_value().encode()
