"""What callers ask for again and again: answered from memory while nothing has changed.

Behind whatever decides who may ask, and before FastAPI. Which answers, and for how long, is in
`gateway.cache`; docs/decisions/0029 says why callers do not see less than they wrote.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import blake2b
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl
from weakref import ref

import structlog
from nats.aio.msg import Msg
from prometheus_client import Counter
from pydantic import ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.observability import telemetry
from chassis.observability.metrics import HTTP_CACHE
from contracts.changes import TELLS, Changed
from contracts.envelope import ERROR_CODE, SOURCE
from gateway.again import looks_of
from gateway.auth import READING
from gateway.cache import Answer, Cache, Key
from gateway.faults import told
from gateway.live import LiveEvent

log = structlog.get_logger()

PUBLIC = "registry"
"""The context whose changes everybody is to see."""
ONE = "[A-Za-z0-9_-]{1,64}"
_KEPT = re.compile(
    f"/api/(?:(?P<registry>agents(?:/{ONE})?)"
    f"|(?P<task>tasks(?:/{ONE}(?:/steps)?)?)"
    "|(?P<chat>messages)"
    "|(?P<payment>payments/(?:bazaarbucks|stripe)|wallet))"
)
"""The addresses whose answers are kept, by the context that alone decides what they say.

Their contents change only by that context's transactions, never by the time that passes.
"""
CACHING = (b"cache-control", b"private, no-cache")
"""Who keeps an answer asks whether it still holds, with its tag."""
OF_304 = frozenset({b"etag", b"cache-control", b"link"})
BODY = frozenset({b"content-length", b"transfer-encoding"})


class _Flight(NamedTuple):
    """An answer that is being asked for; None when nothing came of it."""

    asked_at: float
    answer: "asyncio.Future[Answer | None]"


class Caching:
    """ASGI middleware: answers from the cache, or asks once for all who want the same.

    Every write of an account is noted before its answer leaves. HEAD is answered as GET is.
    """

    def __init__(self, app: ASGIApp, cache: Cache, account: str) -> None:
        """Ask `app` for what `cache` has not; `account` asks when nobody is asked who he is."""
        self._app = app
        self._cache = cache
        self._account = account
        self._flights: dict[Key, _Flight] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on what is not kept."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] not in READING:
            await self._write(scope, receive, send)
        elif (key := self._key(scope)) is None:
            await self._app(scope, receive, send)
        else:
            answer = self._cache.find(key)
            how = "hit"
            if answer is None:
                how, answer = await self._get(key, scope, receive)
            _counter(key.context, how).inc()
            if how != "miss":
                _about(scope, answer, self._of(scope))
            if how == "hit" and (looks := looks_of(scope)):
                looks.find = partial(self._still, key, ref(answer))
                looks.tell.append(lambda _id, _seconds: _counter(key.context, "again").inc())
            await _send(answer, scope, send)

    def _still(self, key: Key, answer: "ref[Answer]") -> Answer | None:
        """The same answer again, when it counts still."""
        found = self._cache.find(key)
        return found if found is not None and found is answer() else None

    def _of(self, scope: Scope) -> str:
        identity = scope.get("state", {}).get("identity")
        account: str = identity.account if identity else self._account
        return account

    @staticmethod
    def _sees_little(scope: Scope) -> bool:
        """Whether the caller is a session, which does not see all of its account's."""
        identity = scope.get("state", {}).get("identity")
        return identity is not None and identity.session

    def _key(self, scope: Scope) -> Key | None:
        """What is asked for; None when that is not kept."""
        found = _KEPT.fullmatch(scope["path"])
        if found is None or found.lastgroup is None or scope["method"] == "OPTIONS":
            return None
        if any(name in BODY and value != b"0" for name, value in scope["headers"]):
            return None
        query = scope["query_string"]
        asked = parse_qsl(query.decode("latin-1"), keep_blank_values=True) if query else ()
        public = _is_public(scope["path"], asked)
        if not public and self._sees_little(scope):
            return None
        account = "" if public else self._of(scope)
        return Key(found.lastgroup, account, scope["path"], tuple(sorted(asked)))

    async def _write(self, scope: Scope, receive: Receive, send: Send) -> None:
        account = self._of(scope)
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            if not begun:
                self._cache.wrote(account)
                begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            if not begun:  # What came of it is unknown; somebody else answers.
                self._cache.wrote(account)

    async def _get(self, key: Key, scope: Scope, receive: Receive) -> tuple[str, Answer]:
        """The answer of whoever asks for the same already, or an own one; and which it is."""
        while (flight := self._flights.get(key)) and self._cache.counts(key, flight.asked_at):
            if (answer := await asyncio.shield(flight.answer)) is not None:
                return "shared", answer
        return "miss", await self._ask(key, scope, receive)

    async def _ask(self, key: Key, scope: Scope, receive: Receive) -> Answer:
        flight = _Flight(self._cache.now(), asyncio.get_running_loop().create_future())
        self._flights[key] = flight
        taken = _Taken()
        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        answer = None
        try:
            await self._app(asked, receive, taken.take)
            answer = taken.answer(asked.get("route"))
        finally:
            if self._flights.get(key) is flight:
                del self._flights[key]
            flight.answer.set_result(answer)
            scope["route"] = asked.get("route")  # for the log
        if answer.tag:
            self._cache.keep(key, flight.asked_at, answer)
        return answer


@dataclass(slots=True)
class _Taken:
    """What the app sends."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] | None = None
    body: bytes = b""

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            self.body += message.get("body", b"")

    def answer(self, route: object) -> Answer:
        headers = self.headers or []
        if self.status != HTTPStatus.OK:
            return Answer(self.status, headers, self.body, route)
        tag = b'"%s"' % blake2b(self.body, digest_size=12).hexdigest().encode()
        headers = [*headers, (b"etag", b"W/" + tag), CACHING]
        return Answer(self.status, headers, self.body, route, tag)


def _is_public(path: str, asked: Iterable[tuple[str, str]]) -> bool:
    """Whether everybody is answered the same: of agents, an owner sees more of his own.

    It is decided by what the route reads: `own%65r` is `owner` too.
    """
    return path == "/api/agents" and all(name != "owner" for name, _ in asked)


@lru_cache
def _counter(context: str, outcome: str) -> Counter:
    return HTTP_CACHE.labels(context, outcome)


async def _send(answer: Answer, scope: Scope, send: Send) -> None:
    """Send an answer, or say that the caller has it."""
    if answer.tag and _has(scope, answer.tag):
        headers = [header for header in answer.headers if header[0] in OF_304]
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body"})
        return
    # The layers around add to the list.
    start = {"type": "http.response.start", "status": answer.status, "headers": [*answer.headers]}
    await send(start)
    await send(
        {"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body}
    )


def _has(scope: Scope, tag: bytes) -> bool:
    """Whether the caller says that it has the answer with this tag (RFC 9110, 13.1.2)."""
    return any(
        one.strip().removeprefix(b"W/") == tag or one.strip() == b"*"
        for name, value in scope["headers"]
        if name == b"if-none-match"
        for one in value.split(b",")
    )


def _about(scope: Scope, answer: Answer, account: str) -> None:
    """Leave for the log and the trace what the route would have left."""
    scope["route"] = answer.route
    scope.setdefault("state", {})["account"] = account
    if telemetry.provider():
        telemetry.rename(f"{scope['method']} {getattr(answer.route, 'path', '')}")


class Hints:
    """What the services say of their changes, on its way to the cache."""

    def __init__(self, cache: Cache) -> None:
        """Tell `cache`."""
        self._cache = cache

    async def heard(self, message: Msg) -> None:
        """Take a hint; one of another shape may mean anything."""
        context = message.subject.rpartition(".")[2]
        try:
            accounts = Changed.model_validate_json(message.data).accounts
        except ValidationError as error:
            log.warning("a hint of another shape", subject=message.subject, error=told(error))
            accounts = None
        everybody = context == PUBLIC and accounts
        self._cache.heard(context, None if everybody else accounts)

    def told(self, event: LiveEvent) -> None:
        """Take an event that is about to be told: whoever reads it, may ask at once."""
        context = event.headers.get(SOURCE, "")
        self._cache.changed(context, "" if context == PUBLIC else event.account)

    def answered(self, context: str, headers: Mapping[str, str]) -> None:
        """Look at a reply: whether the replica that gave it tells of its changes.

        A refusal says nothing about that: it may be the server's, or of somebody in between.
        """
        if TELLS not in headers and ERROR_CODE not in headers:
            self._cache.apart(context)
