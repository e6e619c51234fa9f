"""Requests of a door to the API, and what it sends, without a network between them."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import structlog
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from gateway.doors.shared.answers import Refused, Told
from gateway.errors import OURS, problem
from gateway.faults import told, where
from gateway.identity import OVER, Over
from gateway.live import NOTICE

log = structlog.get_logger()

JSON = (b"content-type", b"application/json")
PASSED_ON = frozenset({b"traceparent", b"payment-signature", b"payment-authorization"})
"""Headers of the caller's that are the API's, too."""
END = b"\n\n"
"""What an event ends with."""


def scope_for(
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


@contextmanager
def refusing() -> Iterator[None]:
    """What nobody expected is a 500: its details are in the log, and go no further.

    Raises:
        Refused: something went wrong.
    """
    try:
        yield
    except Refused:
        raise
    except Exception as error:  # noqa: BLE001  (logged; a stranger gets no details)
        log.error("request failed", error=told(error), at=where(error))
        raise Refused(500, bytes(problem(500, OURS).body), Headers()) from None


def nothing_more(body: bytes) -> Receive:
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
class Taken:
    """What the app sends, whole."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)

    async def send(self, message: Message) -> None:
        """Take a part."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            self.body += message.get("body", b"")


async def events(frames: AsyncGenerator[bytes]) -> AsyncGenerator[Told]:
    """What frames tell, with a bare place now and then: a sign of life.

    Raises:
        Refused: 401, the caller's credential no longer holds; 500, what nobody expected.
    """
    with refusing():
        async for some in frames:
            for frame in some.removesuffix(END).split(END):
                event = _event(frame)
                if event.event == NOTICE and (why := event.json()["notice"]) in OVER:
                    raise over(why)
                yield event


def over(why: Over) -> Refused:
    """What is open at a door is refused from now on: the credential that opened it is over."""
    return Refused(401, bytes(problem(401, OVER[why]).body), Headers())


def _event(frame: bytes) -> Told:
    event = Told()
    for line in frame.decode().splitlines():
        name, _, value = line.partition(": ")
        match name:
            case "id":
                event.id = value
            case "event":
                event.event = value
            case "data":
                event.data = value
    return event
