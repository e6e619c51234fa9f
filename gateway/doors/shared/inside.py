"""The gateway's own API, as a door asks it: in process, and through the layers behind the doors.

So whatever holds for a caller of the API holds for the caller of a door: what a credential lets it
do, how much it may ask at once, what its Idempotency-Key stands for, and every check of the input.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Scope

from gateway.auth import forbidden
from gateway.doors.shared.answers import Refused, Said, Told
from gateway.doors.shared.asgi import Taken, events, nothing_more, refusing, scope_for
from gateway.identity import Identity
from gateway.sse import TAKES


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
        payload = b"" if body is None else json.dumps(body).encode()
        scope = scope_for(outer, method, path, query, payload, key)
        if notes is not None:
            notes |= scope["state"]
            scope["state"] = notes
        said = await self._answer(outer, scope, payload)
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
        frames = await self._frames(outer, path, after, query)
        try:
            yield events(frames)
        finally:
            await frames.aclose()

    async def _frames(
        self, outer: Scope, path: str, after: str | None, query: Mapping[str, Any]
    ) -> AsyncGenerator[bytes]:
        """The frames of a stream; nothing else of its request is kept while they are read."""
        scope = scope_for(outer, "GET", path, query, b"", None)
        if after is not None:
            scope["headers"].append((b"last-event-id", after.encode("latin-1", "replace")))
        opened: list[AsyncGenerator[bytes]] = []
        scope["extensions"] = {TAKES: opened.append}
        try:
            said = await self._answer(outer, scope, b"")
        except BaseException:
            for frames in opened:
                await frames.aclose()
            raise
        if not opened:
            raise Refused(said.status, said.body, said.headers)
        return opened[0]

    async def _answer(self, outer: Scope, scope: Scope, payload: bytes) -> Said:
        """What comes of a request; an answer without a head is the gateway's failure."""
        taken = Taken()
        identity = caller_of(outer)
        if identity and (no := forbidden(identity, scope["method"], scope["path"])):
            await no(scope, nothing_more(payload), taken.send)
        else:
            with refusing():
                await self.app(scope, nothing_more(payload), taken.send)
        _note(outer, scope)
        return Said(taken.status, Headers(raw=taken.headers), bytes(taken.body))


def caller_of(scope: Scope) -> Identity | None:
    """Who asks; None where nobody is asked who he is."""
    identity: Identity | None = scope.get("state", {}).get("identity")
    return identity


def _note(outer: Scope, scope: Scope) -> None:
    """Leave for the log line of the request whose it was, and what it says of payments."""
    state = scope["state"]
    if "payment_headers" in state:
        outer["state"]["payment_headers"] = state["payment_headers"]
    if (cause := state.get("cause")) is not None:
        outer["state"]["account"] = cause.account
    elif "account" in state:
        outer["state"]["account"] = state["account"]
