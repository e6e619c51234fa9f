"""For whom a browser asks: which host it thinks this is, and whose page it shows.

Without authentication, whoever reaches the gateway may spend money; browsers of this machine reach
it for any page that they show. A page of another site can give this machine's address a name of its
own, and can send simple requests anywhere. Neither is answered.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.doors import door_at
from gateway.errors import problem

HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+?)\.?(?::[0-9]{0,5})?", re.ASCII)
STRANGE = "This gateway does not answer for the host that was asked. Name it in ALLOWED_HOSTS."
OWN_SITES = frozenset({"same-origin", "none"})
"""What a browser says of a page of this origin, and of an address that somebody typed."""
FOREIGN = "Pages of this origin may not call the API. Name the origin in CORS_ORIGINS."


@lru_cache(maxsize=64)
def host_of(text: str) -> str | None:
    """The host of a Host header, in small letters, without port; None when it is none."""
    found = HOST.fullmatch(text.lower())
    return found[1] if found else None


class KnownHosts:
    """ASGI middleware: 421 for requests to other hosts. X-Forwarded-Host does not count."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        """Let through to `app` what is asked of one of `hosts`."""
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app for one known Host header; no or several are as good as a wrong one."""
        if scope["type"] == "http":
            given = Headers(scope=scope).getlist("host")
            if len(given) != 1 or host_of(given[0]) not in self._hosts:
                await problem(421, STRANGE)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class OwnPages:
    """ASGI middleware for when nobody is asked who they are: 403 for what foreign pages send.

    Browsers say whose page it is in `Origin`, and without that header (an image, a frame) in
    `Sec-Fetch-Site`: only the same origin is the gateway's own, the same site is any port of this
    machine. Who sends neither is no browser.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        """Let through to `app` what pages of `origins`, or of the gateway, ask of /api or doors."""
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app, or refuse."""
        if scope["type"] == "http" and _spends(scope["path"]):
            headers = Headers(scope=scope)
            own = f"{scope['scheme']}://{headers.get('host', '')}".lower()
            if not self._may(headers, own, preflight=scope["method"] == "OPTIONS"):
                await problem(403, FOREIGN)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _may(self, headers: Headers, own: str, *, preflight: bool) -> bool:
        origins = headers.getlist("origin")
        if not origins:
            return OWN_SITES.issuperset(headers.getlist("sec-fetch-site"))
        if preflight:  # It does nothing, and CORSMiddleware says no.
            return True
        return all(origin in self._origins or origin == own for origin in origins)


def _spends(path: str) -> bool:
    return path.startswith("/api") or door_at(path) is not None
