"""The same asked again on the same connection, byte by byte, while its answer is still kept.

All layers have seen these bytes from this caller before. What they decide by the bytes alone they
would decide again; what may be otherwise by now they leave here to be looked at again: what is
kept, whose a credential is, how much was asked. Who would have to wait for such a look, or gets
another answer, is asked by all layers as ever. Decision 0051 has the reasons.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from chassis.bus.envelopes import new_id
from chassis.http.connections import BoundedProtocol
from gateway.cache import Answer

EXTENSION = "bazaar.again"
"""Where layers find a request's `Looks` among a scope's `extensions`."""
REQUEST_ID = b"x-request-id"
MOST = 8
"""Requests that a connection remembers."""
MOST_BYTES = 2048
"""The longest that is remembered."""
COPIED = 16 * 1024
"""Bytes of a body up to which it is written together with its head."""
UNKEPT = frozenset({b"connection", b"transfer-encoding"})
"""Headers of an answer that say how a connection goes on."""

Look = Callable[[], bool]
"""Whether something is as it was; it changes nothing."""
Tell = Callable[[str, float], None]
"""Notes for log and metrics that a request was answered: its id, and how many seconds it took."""


class Count(NamedTuple):
    """Something that is counted of each answer.

    Attributes:
        take: counts one more, if there may be one more; whether that was so.
        give_back: counts it no longer, when nothing was answered after all.
    """

    take: Callable[[], bool]
    give_back: Callable[[], None]


@dataclass(slots=True)
class Looks:
    """What the layers say of a request on its way in.

    Attributes:
        keep: takes what was made of it.
        find: the answer that it was given, while that is kept and counts; None from then on.
        again: what is to be looked at again.
        counts: what is to be counted, once all else holds.
        tell: what is to be noted of each answer.
    """

    keep: Callable[["Repeat"], None]
    find: Callable[[], Answer | None] | None = None
    again: list[Look] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    tell: list[Tell] = field(default_factory=list)


def looks_of(scope: Scope) -> Looks | None:
    """Where a layer says what it would look at again; None where nobody wants to know."""
    found: Looks | None = scope.get("extensions", {}).get(EXTENSION, {}).get("looks")
    return found


@dataclass(frozen=True, slots=True)
class Repeat:
    """An answer that may be given again: all but its date, its id and its body.

    It keeps no body, so that connections keep none longer than the cache does.
    """

    find: Callable[[], Answer | None]
    again: tuple[Look, ...]
    counts: tuple[Count, ...]
    tell: tuple[Tell, ...]
    status: int
    before_id: bytes
    after_id: bytes
    bodiless: bool

    def answer(self) -> Answer | None:
        """The answer, if it may be given now; by this, and only then, it counts as asked for."""
        answer = self.find()
        if answer is None or not all(look() for look in self.again):
            return None
        for number, count in enumerate(self.counts):
            if not count.take():
                for taken in self.counts[:number]:
                    taken.give_back()  # The layers count it.
                return None
        return answer

    def rendered(
        self, answer: Answer, id_: str, common: list[tuple[bytes, bytes]]
    ) -> tuple[bytes, ...]:
        """The bytes of it, with the headers that the server gives to each answer.

        A long body is the cache's own, not a copy for each who is slow to take it.
        """
        head = (
            STATUS_LINE[self.status],
            *(b"%s: %s\r\n" % header for header in common),
            self.before_id,
            id_.encode(),
            self.after_id,
        )
        if self.bodiless:
            return (b"".join(head),)
        if len(answer.body) > COPIED:
            return b"".join(head), answer.body
        return (b"".join((*head, answer.body)),)


class Again:
    """ASGI middleware, around all others: notes what was answered from the cache."""

    def __init__(self, app: ASGIApp) -> None:
        """Note the answers of `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app, and say to the connection what it may repeat."""
        looks = looks_of(scope)
        if looks is None:
            await self._app(scope, receive, send)
            return
        sent: list[Message] = []

        async def watched(message: Message) -> None:
            if looks.find and len(sent) <= 1:
                sent.append(message)
            await send(message)

        await self._app(scope, receive, watched)
        if not looks.find or len(sent) <= 1 or not all(look() for look in looks.again):
            return  # A look that would have to wait (of a token of an issuer) never holds.
        if answer := looks.find():
            repeat = _repeat(looks, looks.find, answer, *sent)
            if repeat is not None:
                looks.keep(repeat)


def _repeat(
    looks: Looks, find: Callable[[], Answer | None], answer: Answer, start: Message, body: Message
) -> Repeat | None:
    """What may be repeated of an answer that was sent so; None when that is not what was kept."""
    whole = body.get("body", b"")
    bodiless = not whole
    if body.get("more_body") or not (bodiless or whole is answer.body):
        return None
    names = [name for name, _ in start["headers"]]
    if REQUEST_ID not in names or not UNKEPT.isdisjoint(names):
        return None
    lines = [b"%s: %s\r\n" % header for header in start["headers"]]
    at = names.index(REQUEST_ID)
    return Repeat(
        find,
        tuple(looks.again),
        tuple(looks.counts),
        tuple(looks.tell),
        start["status"],
        before_id=b"".join([*lines[:at], REQUEST_ID, b": "]),
        after_id=b"".join([b"\r\n", *lines[at + 1 :], b"\r\n"]),
        bodiless=bodiless,
    )


class RepeatingProtocol(BoundedProtocol):
    """A connection that answers what it was just asked, without asking the app."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As uvicorn makes it."""
        super().__init__(*args, **kwargs)
        self._repeats: dict[bytes, Repeat] = {}

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget all of it."""
        super().connection_lost(exc)
        self._repeats.clear()

    def data_received(self, data: bytes) -> None:
        """Answer at once what may be, and have everything else parsed."""
        at_rest = self.is_quiet() and not (self.flow.write_paused or self._ignoring)
        repeat = self._repeats.get(data) if at_rest else None
        if repeat is not None and self._answer(repeat):
            return
        before = self.cycle
        super().data_received(data)
        if at_rest and self.cycle is not before and self._is_one(data):
            looks = Looks(lambda made: self._keep(data, made))
            self.scope["extensions"] = {EXTENSION: {"looks": looks}}

    def _is_one(self, data: bytes) -> bool:
        """Whether this was one whole request, after which the connection goes on."""
        return (
            data.startswith(b"GET ")
            and data.endswith(b"\r\n\r\n")
            and len(data) <= MOST_BYTES
            and self.scope is self.cycle.scope
            and self.cycle.keep_alive
            and not (self._in_head or self._in_body or self.pipeline)
        )

    def _keep(self, data: bytes, made: Repeat) -> None:
        self._repeats.pop(data, None)
        if len(self._repeats) >= MOST:
            del self._repeats[next(iter(self._repeats))]
        self._repeats[data] = made

    def _answer(self, repeat: Repeat) -> bool:
        """Answer so, if that holds; whether it did."""
        begun = perf_counter()
        if (answer := repeat.answer()) is None:
            return False
        id_ = new_id()
        self._in_time()
        self.idle.pop(self, None)  # Who was idle longest goes first, when there are too many.
        for part in repeat.rendered(answer, id_, self.server_state.default_headers):
            self.transport.write(part)
        self.on_response_complete()
        seconds = perf_counter() - begun
        for tell in repeat.tell:
            tell(id_, seconds)
        return True
