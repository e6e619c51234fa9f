"""More requests than can be answered in time: the others are refused before anything is stored."""

from collections import Counter
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.bus.connecting import CROWDED
from contracts.chat import POST_MESSAGE
from contracts.task import INVOKE_AGENT
from gateway import link, turns
from gateway.auth import guarded
from gateway.errors import problem

CHAT = "hubchat/message"
ASKS = {CHAT: POST_MESSAGE.subject, "invoke-agent/invoke-agent": INVOKE_AGENT.subject}
"""What a request of a kind asks of a service, where that has a limit of its own."""


class Crowds:
    """ASGI middleware: counts the POSTs in hand, by kind, with the limits of what they wait for.

    They are counted from before their key is claimed, which is written to the bus: who would be
    refused after that has waited for a crowd's claims, and has left one.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Let into `app` as many as are answered in time."""
        self._app = app
        self._in_hand: Counter[str] = Counter()
        self._asking: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 503, or pass on."""
        if scope["type"] != "http" or scope["method"] != "POST" or not guarded(scope["path"]):
            await self._app(scope, receive, send)
            return
        kind = _kind(scope["path"])
        if self._full(kind):
            await problem(503, CROWDED)(scope, receive, send)
            return
        _add(self._in_hand, kind, 1)
        scope.setdefault("state", {})["taken"] = taken = self._asks(kind)
        try:
            await self._app(scope, receive, send)
        finally:
            taken()
            _add(self._in_hand, kind, -1)

    def _full(self, kind: str) -> bool:
        most = link.MOST_WAITING.get(ASKS.get(kind, ""), link.MOST)
        if self._asking[kind] >= most:
            return True
        return kind == CHAT and self._in_hand[kind] >= turns.MOST_WAITING

    def _asks(self, kind: str) -> Callable[[], None]:
        """Count one that asks a service; returns what is to be called when that was taken."""
        asking = True
        _add(self._asking, kind, 1)

        def taken() -> None:
            nonlocal asking
            if asking:
                asking = False
                _add(self._asking, kind, -1)

        return taken


def _kind(path: str) -> str:
    """What a path is about and what is done with it, without the ids between."""
    parts = path.split("/")[2:]
    return f"{parts[0]}/{parts[-1]}" if parts else ""


def _add(counter: Counter[str], kind: str, number: int) -> None:
    counter[kind] += number
    if not counter[kind]:
        del counter[kind]
