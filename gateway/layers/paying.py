"""The headers of answers that are about payments by machines (`gateway.paying`)."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Paying:
    """ASGI middleware: whoever answers, also a door, the headers of payments go with it."""

    def __init__(self, app: ASGIApp) -> None:
        """Add to what `app` answers."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the app; what it noted in its state becomes headers."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def marked(message: Message) -> None:
            found = state.get("payment_headers")
            if found and message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in found.items():
                    headers[name] = value
                headers["Cache-Control"] = "no-store"
            await send(message)

        await self._app(scope, receive, marked)
