"""Headers that tell browsers what pages of this origin may do."""

from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.doors import door_at

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
DATA = "default-src 'none'; frame-ancestors 'none'"
"""For answers of the API, which are no pages."""
DATA_AT = frozenset({"/api", "/health", "/ready", "/openapi.json"})
PAGE = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'"
    " https://fonts.googleapis.com; font-src 'self' data: https://fonts.gstatic.com;"
    " img-src 'self' data: blob: https:; connect-src 'self'; object-src 'none'; base-uri 'self';"
    " form-action 'self'; frame-ancestors 'none'"
)
"""For the client: its own code alone. React sets styles on elements; its fonts may be Google's."""
HSTS = "max-age=31536000; includeSubDomains"
_ALWAYS = tuple((name.lower().encode(), value.encode()) for name, value in ALWAYS.items())
_HSTS = ((b"strict-transport-security", HSTS.encode()),)


def policy(path: str) -> str:
    """The content security policy for an address; pages of ours say theirs (`gateway.site`)."""
    if path.startswith(("/api/", "/.well-known/")) or path in DATA_AT or door_at(path):
        return DATA
    return PAGE


class Protection:
    """ASGI middleware: adds the headers; HSTS only where the caller came by TLS."""

    def __init__(self, app: ASGIApp) -> None:
        """Add them to what `app` answers."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app; every answer has the headers, errors too."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"] = [*message.get("headers", ())]
                given = {name for name, _ in headers}
                headers += [one for one in self._of(scope) if one[0] not in given]
            await send(message)

        await self._app(scope, receive, protected)

    def _of(self, scope: Scope) -> Iterable[tuple[bytes, bytes]]:
        """The headers of an answer at this address."""
        by_tls = _HSTS if scope["scheme"] == "https" else ()
        return (*_ALWAYS, (b"content-security-policy", policy(scope["path"]).encode()), *by_tls)
