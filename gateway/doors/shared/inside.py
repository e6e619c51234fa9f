"""The gateway's own API, as a door asks it: in process, and through the layers behind the doors.

So whatever holds for a caller of the API holds for the caller of a door: what a credential lets it
do, how much it may ask at once, what its Idempotency-Key stands for, and every check of the input.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope

from chassis.endings import end
from gateway.auth import forbidden
from gateway.identity import Identity

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
JSON = (b"content-type", b"application/json")
PASSED_ON = frozenset({b"traceparent"})
"""Headers of the caller's that are the API's, too."""
AHEAD = 16
"""Parts of a stream that may wait for the door; then the stream waits."""


class Refused(Exception):
    """The API said no.

    Attributes:
        status: of the answer it would have given over HTTP.
        sentence: for people.
        body: the whole problem (RFC 9457), with the members that programs act upon.
        headers: of the answer; `Retry-After` may be there, and `Idempotency-Outcome`.
    """

    def __init__(self, status: int, body: bytes, headers: Headers) -> None:
        """Refused with this answer."""
        self.status = status
        self.headers = headers
        try:
            self.body: dict[str, Any] = json.loads(body)
        except ValueError:
            self.body = {}
        self.sentence = str(self.body.get("error") or HTTPStatus(status).phrase)
        super().__init__(self.sentence)


@dataclass(slots=True)
class Said:
    """An answer of the API."""

    status: int
    headers: Headers
    body: bytes

    def json(self) -> Any:
        """What its body says."""
        return json.loads(self.body)

    @property
    def next_cursor(self) -> str | None:
        """Where the next page of a list begins; None on the last."""
        url = self.headers.get("link", "").partition(">")[0].lstrip("<")
        found = parse_qs(urlsplit(url).query).get("cursor")
        return found[0] if found else None


@dataclass(slots=True)
class Told:
    """One server-sent event of the API; `id` is the place to go on after, where it has one."""

    id: str | None = None
    event: str | None = None
    data: str = ""

    def json(self) -> Any:
        """What happened, as docs/api.md has it."""
        return json.loads(self.data)


@dataclass(slots=True)
class Inside:
    """The API for the callers of a door."""

    app: ASGIApp

    async def ask(
        self,
        outer: Scope,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        key: str | None = None,
        notes: dict[str, Any] | None = None,
    ) -> Said:
        """Ask on behalf of whoever sent the request of the scope `outer`.

        Args:
            outer: of the request at the door; its caller and its id are this one's.
            method: of HTTP.
            path: of the API; with ids of the caller's by `place`.
            query: its parameters; those that are None are left out.
            body: what is sent as JSON; None sends nothing.
            key: the `Idempotency-Key`.
            notes: is given what the layers note of the request while it runs; `effect` is the id
                of what it makes, once its key is claimed.

        Raises:
            Refused: the answer is 400 or more.
        """
        taken = _Taken()
        payload = b"" if body is None else json.dumps(body).encode()
        scope = _scope(outer, method, path, query, payload, key)
        if notes is not None:
            notes |= scope["state"]
            scope["state"] = notes
        if (identity := caller_of(outer)) and (no := forbidden(identity, method, scope["path"])):
            await no(scope, _nothing_more(payload), taken.send)
        else:
            await self.app(scope, _nothing_more(payload), taken.send)
        _note(outer, scope)
        said = Said(taken.status, Headers(raw=taken.headers), bytes(taken.body))
        if said.status >= HTTPStatus.BAD_REQUEST:
            raise Refused(said.status, said.body, said.headers)
        return said

    async def get(self, outer: Scope, path: str, **query: Any) -> Any:
        """The JSON of a GET; see `ask`."""
        return (await self.ask(outer, "GET", path, query=query)).json()

    async def post(self, outer: Scope, path: str, body: Any, key: str | None = None) -> Any:
        """The JSON of a POST; see `ask`."""
        return (await self.ask(outer, "POST", path, body=body, key=key)).json()

    @asynccontextmanager
    async def events(
        self, outer: Scope, path: str, *, after: str | None = None, **query: Any
    ) -> AsyncIterator[AsyncIterator[Told]]:
        """An event stream of the API, until the block is left.

        Args:
            outer: see `ask`.
            path: of the stream.
            after: the place that the caller has, as `Last-Event-ID`.
            query: the stream's parameters.

        Raises:
            Refused: there is no such stream for this caller.
        """
        scope = _scope(outer, "GET", path, query, b"", None)
        if after is not None:
            scope["headers"].append((b"last-event-id", after.encode("latin-1", "replace")))
        if (identity := caller_of(outer)) and (no := forbidden(identity, "GET", scope["path"])):
            taken = _Taken()
            await no(scope, _nothing_more(b""), taken.send)
            raise Refused(taken.status, bytes(taken.body), Headers(raw=taken.headers))
        stream = _Stream()
        running = asyncio.create_task(stream.run(self.app, scope))
        try:
            await stream.begun()
            _note(outer, scope)
            yield stream.told()
        finally:
            await end(running)


def place(path: str, id_: object) -> str:
    """An address of the API with an id of the caller's for the `{}` in it.

    Raises:
        Refused: 404, nothing can have this id.
    """
    if not isinstance(id_, str) or not ID.fullmatch(id_):
        raise Refused(404, b'{"error": "There is nothing with this id."}', Headers())
    return path.format(id_)


def caller_of(scope: Scope) -> Identity | None:
    """Who asks; None where nobody is asked who he is."""
    identity: Identity | None = scope.get("state", {}).get("identity")
    return identity


def _scope(
    outer: Scope,
    method: str,
    path: str,
    query: Mapping[str, Any] | None,
    body: bytes,
    key: str | None,
) -> Scope:
    """The scope of a request of this API; nothing of the outer one but who asks, and its trace."""
    headers = [one for one in outer["headers"] if one[0] in PASSED_ON]
    headers += [(b"host", b"inside")]
    if method != "GET":
        headers += [JSON, (b"content-length", str(len(body)).encode())]
    if key is not None:
        headers.append((b"idempotency-key", key.encode("latin-1", "replace")))
    state = outer.get("state", {})
    asked = {name: _text(value) for name, value in (query or {}).items() if value is not None}
    return {
        "type": "http",
        "asgi": outer["asgi"],
        "http_version": "1.1",
        "method": method,
        "scheme": outer["scheme"],
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": urlencode(asked).encode(),
        "headers": headers,
        "client": outer.get("client"),
        "server": outer.get("server"),
        "app": state["api"],
        "state": {name: state[name] for name in ("identity", "request_id") if name in state},
    }


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _note(outer: Scope, scope: Scope) -> None:
    """Leave for the log line of the request whose it was."""
    state = scope["state"]
    if (cause := state.get("cause")) is not None:
        outer["state"]["account"] = cause.account
    elif "account" in state:
        outer["state"]["account"] = state["account"]


def _nothing_more(body: bytes) -> Receive:
    """Gives the body, then nothing: who waits for a caller to hang up is ended with the door."""
    given = False

    async def receive() -> Message:
        nonlocal given
        if given:
            await asyncio.Event().wait()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


@dataclass(slots=True)
class _Taken:
    """What the app sends, whole."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            self.body += message.get("body", b"")


class _Stream:
    """What the app sends, part by part."""

    def __init__(self) -> None:
        self._parts: asyncio.Queue[Message | Exception | None] = asyncio.Queue(AHEAD)

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, _nothing_more(b""), self._parts.put)
        except Exception as error:  # noqa: BLE001  (whoever reads the stream gets it)
            await self._parts.put(error)
        else:
            await self._parts.put(None)

    async def begun(self) -> None:
        """Wait for the head of the answer; `Refused` when it is a no."""
        start = await self._next()
        if start is None:
            raise RuntimeError("an answer without a head")
        if start["status"] < HTTPStatus.BAD_REQUEST:
            return
        body = b""
        while (part := await self._next()) is not None:
            body += part.get("body", b"")
        raise Refused(start["status"], body, Headers(raw=start["headers"]))

    async def told(self) -> AsyncIterator[Told]:
        """The events, with a bare place now and then: a sign of life."""
        rest = b""
        while (part := await self._next()) is not None:
            *frames, rest = (rest + part.get("body", b"")).split(b"\n\n")
            for frame in frames:
                yield _event(frame)

    async def _next(self) -> Message | None:
        part = await self._parts.get()
        if isinstance(part, Exception):
            raise part
        return part


def _event(frame: bytes) -> Told:
    told = Told()
    for line in frame.decode().splitlines():
        name, _, value = line.partition(": ")
        match name:
            case "id":
                told.id = value
            case "event":
                told.event = value
            case "data":
                told.data = value
    return told
