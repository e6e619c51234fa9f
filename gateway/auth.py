"""The door: who asks is found out, and whether they may, before anything else is done."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import HTTPException, Request
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from contracts.errors import Unavailable
from gateway.again import looks_of
from gateway.doors import asks_who
from gateway.errors import problem
from gateway.identity import Identity, Unknown


@dataclass(frozen=True, slots=True)
class Check:
    """From a bearer token to who it is.

    Attributes:
        identify: raises `Unknown`, or `Unavailable` when that cannot be told.
        known: the same as far as it is remembered, without waiting; None when it is not.
    """

    identify: Callable[[str], Awaitable[Identity]]
    known: Callable[[str], Identity | None] = lambda _token: None


WEBHOOK = "/api/payments/stripe/webhook"
"""Stripe has no key of ours: its signature is checked by the payment service."""
_ID = "[A-Za-z0-9_-]+"
ADMIN = frozenset({"/api/ledger/check", "/api/keys", "/api/dead-letters"})
"""What concerns all accounts."""
ONE_OF_ALL = re.compile(f"/api/(keys/{_ID}|dead-letters/{_ID}(/replay)?)")
"""A part of it."""
OF_SESSIONS = re.compile(
    f"(GET|HEAD|OPTIONS) /api/(session|agents(/{_ID})?|tasks/{_ID}(/steps|/receipt)?)"
    "|POST /api/(quotes|invoke-agent|tasks)"
)
"""All that a spending session may ask; of tasks, the routes show it its own alone."""
NOT_OF_SESSIONS = "A spending session calls agents and sees what it spent on, and nothing else."
READING = frozenset({"GET", "HEAD", "OPTIONS"})
REALM = 'Bearer realm="AgentBazaar"'
BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.ASCII | re.IGNORECASE)
"""The header as RFC 6750 has it; other characters are in no credential of ours."""
ANONYMOUS = "Say who you are, with the header Authorization: Bearer <your key>."


def guarded(path: str) -> bool:
    """Whether an address is only for those who are known: all of /api but the webhook."""
    return (path == "/api" or path.startswith("/api/")) and path != WEBHOOK


def needed(method: str, path: str) -> str:
    """The scope that a request needs."""
    if path in ADMIN or ONE_OF_ALL.fullmatch(path):
        return "admin"
    return "read" if method in READING else "write"


def lacking(identity: Identity, wanted: str) -> tuple[str, dict[str, str]] | None:
    """The sentence and the header for who has not the scope that is wanted; None for who has it."""
    if wanted in identity.scopes:
        return None
    header = f'{REALM}, error="insufficient_scope", scope="{wanted}"'
    text = f"This needs the scope {wanted}, which your key does not have."
    return text, {"WWW-Authenticate": header}


def forbidden(identity: Identity, method: str, path: str) -> Response | None:
    """The answer for a known caller who may not ask this of the API; None for who may."""
    if refused := lacking(identity, needed(method, path)):
        return problem(403, *refused)
    if identity.session and not OF_SESSIONS.fullmatch(f"{method} {path}"):
        return problem(403, NOT_OF_SESSIONS)
    return None


def admin_only(request: Request) -> None:
    """What a route of `ADMIN` depends on: it asks again itself, whatever its path looked like.

    Raises:
        HTTPException: 403, the caller is known and is no admin.
    """
    identity: Identity | None = getattr(request.state, "identity", None)
    if identity is not None and (refused := lacking(identity, "admin")):
        raise HTTPException(403, *refused)


def is_admin(request: Request) -> bool:
    """Whether the caller may act for all accounts; everybody, where nobody is asked who he is."""
    identity: Identity | None = getattr(request.state, "identity", None)
    return identity is None or "admin" in identity.scopes


class Door:
    """ASGI middleware: puts the caller's `Identity` into the request's state, or answers 401, 403.

    503 when a credential cannot be checked just now: that says nothing about the credential. What
    may be asked at a door is found out when the door asks the API.
    """

    def __init__(self, app: ASGIApp, check: Check, *, anybody: bool = False) -> None:
        """Let through to `app` whom `check` knows; `anybody` may come without a credential."""
        self._app = app
        self._check = check
        self._anybody = anybody

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app for a known caller with the right scope."""
        path = scope["path"] if scope["type"] == "http" else ""
        of_api = guarded(path)
        if not (of_api or asks_who(path)) or self._goes_by(scope):
            await self._app(scope, receive, send)
            return
        try:
            token = _bearer(Headers(scope=scope))
            identity = await self._check.identify(token)
        except Unknown as error:
            asked = error.args[0] == ANONYMOUS
            header = REALM if asked else f'{REALM}, error="invalid_token"'
            await problem(401, error.args[0], {"WWW-Authenticate": header})(scope, receive, send)
            return
        except Unavailable as error:
            await problem(503, error.message)(scope, receive, send)
            return
        scope.setdefault("state", {})["identity"] = identity
        if looks := looks_of(scope):
            looks.again.append(lambda: self._is_still(identity, token))
        if of_api and (refused := forbidden(identity, scope["method"], path)):
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _goes_by(self, scope: Scope) -> bool:
        """Whether nobody is asked: without authentication, unless a session says that it is one."""
        return self._anybody and "bzs_" not in Headers(scope=scope).get("authorization", "")

    def _is_still(self, identity: Identity, token: str) -> bool:
        """Whether a token is known to be of the same caller, who may do the same."""
        try:
            return self._check.known(token) == identity
        except Unknown:
            return False


def _bearer(headers: Headers) -> str:
    given = headers.getlist("authorization")
    if len(given) > 1:
        raise Unknown("Send the header Authorization once.")
    token = BEARER.fullmatch(given[0]) if given else None
    if token is None:
        raise Unknown(ANONYMOUS)
    return token[1]
