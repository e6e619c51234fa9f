"""What carries the requests of a protocol's library: our own outbound client, with its guard.

The libraries speak through httpx or httpx2. Each takes a transport, and theirs are in
`httpx_transport` and `httpx2_transport`: all that leaves is judged, pinned and bounded here.
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from chassis.outbound import CallError, Limits, Outbound, Request
from chassis.outbound.streaming import streaming
from chassis.outbound.transfers import seconds

OURS = frozenset(
    ("host", "content-length", "connection", "transfer-encoding", "accept-encoding", "user-agent")
)
"""Headers of a request that our own client sets."""
ON_THE_WIRE = frozenset(("content-encoding", "transfer-encoding", "content-length"))
"""Headers of an answer that say how it came: the body is as it is, and nothing is unpacked."""

Dress = Callable[[str, bytes], Mapping[str, str]]
"""Further headers of a request, by its URL and body."""


@dataclass(slots=True)
class Opened:
    """An answer whose head has come."""

    status: int
    headers: list[tuple[str, str]]
    pieces: AsyncIterator[bytes]
    close: Callable[[], Any]


class Bridge:
    """The way out of one call; it remembers what went wrong on it, which the libraries blur.

    Attributes:
        broke: what became of the last request that had no answer; None when it had one.
        refused: the status of the last answer, when it was an error, and how long the server wants
            to be left alone.
    """

    def __init__(
        self,
        http: Outbound,
        limits: Limits,
        dress: Dress | None = None,
        counting: Collection[str] = ("GET", "POST"),
    ) -> None:
        """Open a way out.

        Args:
            http: what is sent through.
            limits: of each request.
            dress: gives each request further headers.
            counting: methods of the requests that are remembered. Beside those that matter, a
                library may keep a stream open, or close a session.
        """
        self._http = http
        self._limits = limits
        self._dress = dress
        self._counting = counting
        self.broke: CallError | None = None
        self.refused: tuple[int, float | None] | None = None

    async def open(
        self, method: Any, url: str, query: str, headers: Iterable[tuple[str, str]], body: bytes
    ) -> Opened:
        """Send a request; `close` of what is returned has to be awaited.

        Raises:
            CallError: there is no answer.
        """
        own = {name.lower(): value for name, value in headers if name.lower() not in OURS}
        own |= dict(self._dress(url, body)) if self._dress else {}
        request = Request(method, url, own, body, query)
        stack = AsyncExitStack()
        try:
            said = await stack.enter_async_context(streaming(self._http, request, self._limits))
        except CallError as error:
            self._broke(method, error)
            raise
        if method in self._counting:
            wait_s = seconds(said.headers.get("retry-after", ""))
            self.broke = None
            self.refused = (said.status, wait_s) if said.status >= HTTPStatus.BAD_REQUEST else None
        heads = [(name, value) for name, value in said.headers.items() if name not in ON_THE_WIRE]
        return Opened(said.status, heads, self._read(method, said.pieces), stack.aclose)

    async def _read(self, method: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for piece in pieces:
                yield piece
        except CallError as error:
            self._broke(method, error)
            raise

    def _broke(self, method: str, error: CallError) -> None:
        if method in self._counting:
            self.broke = error
