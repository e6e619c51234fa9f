"""One HTTP exchange by libcurl: how it is asked for, and what its answer may cost.

libcurl reads, decrypts and parses in C, without Python's lock. It calls back once for a line of
headers, also of interim (1xx) answers, and once for what it read of the body: these are counted.
The body is taken as it is on the wire, so that chunks cost what they weigh and not what they hold.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any

import certifi
import pycurl

from chassis.outbound.addresses import Place
from chassis.outbound.chunks import NOT_WHOLE, Unchunker, unchunked
from chassis.outbound.errors import CallError, TooMuch, TooSlow, Unreachable
from chassis.outbound.exchange import Answer, Limits, Listener, Request

FRAME_BYTES = 16
"""What the frame of one chunk may weigh on the wire, beside the bytes of the body."""
MOST_DIGITS = 9
FINAL = 200
"""Answers below it are interim ones."""
_QUERY = re.compile(r"[a-zA-Z0-9._~!$&'()*+,;=:@/?%-]*", re.ASCII)
NO_CONNECTION = "there is no connection to it"
_WHY = {
    pycurl.E_SSL_CONNECT_ERROR: "it does not speak TLS as it should",
    pycurl.E_PEER_FAILED_VERIFICATION: "its certificate is not to be trusted",
    pycurl.E_COULDNT_CONNECT: NO_CONNECTION,
    pycurl.E_GOT_NOTHING: "it hung up without an answer",
    pycurl.E_PARTIAL_FILE: "it hung up in the middle of its answer",
    pycurl.E_SEND_ERROR: "it hung up",
    pycurl.E_RECV_ERROR: "its connection broke, or what it sent is not HTTP",
}


class Transfer:
    """A request on its way, with what was read of its answer; `answer` is settled in its loop."""

    def __init__(
        self,
        request: Request,
        place: Place,
        addresses: Sequence[str],
        limits: Limits,
        listener: Listener | None = None,
    ) -> None:
        """Prepare it.

        Args:
            request: its URL is not read again; `place` is what was judged.
            place: where it goes.
            addresses: those of `place` that it may connect to, and no others.
            limits: what the answer may cost.
            listener: hears the answer while it arrives.
        """
        self.loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Answer] = self.loop.create_future()
        self._request, self._place, self._limits = request, place, limits
        self._addresses = frozenset(ip_address(address) for address in addresses)
        self._raw = bytearray()
        self._pieces = self._size = self._lines = self._head = 0
        self._told: dict[str, str] = {}
        self._status = 0
        self._broke: CallError | None = None
        self._listener, self._heard = listener, False
        self._chunks: Unchunker | None = None

    def handle(self) -> Any:
        """The handle that libcurl takes; made in the thread that drives it.

        Raises:
            ValueError: a header or the query cannot be sent.
        """
        curl = pycurl.Curl()
        place, limits, request = self._place, self._limits, self._request
        for option, value in _ALWAYS:
            curl.setopt(option, value)
        if not _QUERY.fullmatch(request.query):
            raise ValueError("a query that is none")
        curl.setopt(pycurl.URL, f"{place.url}?{request.query}" if request.query else place.url)
        if place.address is None:
            pinned = ",".join(f"[{a}]" if ":" in str(a) else str(a) for a in self._addresses)
            curl.setopt(pycurl.RESOLVE, [f"+{place.host}:{place.port}:{pinned}"])
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)
        if request.method == "POST":
            curl.setopt(pycurl.POST, 1)
            curl.setopt(pycurl.POSTFIELDS, request.body)
        elif request.method != "GET":
            curl.setopt(pycurl.CUSTOMREQUEST, request.method)
        own = {name.lower() for name in request.headers}
        headers = [
            *(line for name, line in _HEADERS.items() if name not in own),
            *(f"{name}: {value}" for name, value in request.headers.items()),
        ]
        if any("\r" in line or "\n" in line for line in headers):
            raise ValueError("a header of two lines")
        curl.setopt(pycurl.HTTPHEADER, headers)
        curl.setopt(pycurl.TIMEOUT_MS, max(1, round(limits.total_s * 1000)))
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, round(limits.connect_s * 1000)))
        curl.setopt(pycurl.HEADERFUNCTION, self._on_line)
        curl.setopt(pycurl.WRITEFUNCTION, self._on_piece)
        return curl

    def ended(self, curl: Any, code: int) -> None:
        """Settle the answer, now that libcurl has done with it."""
        sent = curl.getinfo(pycurl.REQUEST_SIZE) > 0
        if self._broke is None and code == pycurl.E_OPERATION_TIMEDOUT:
            unasked = Unreachable(NO_CONNECTION, sent=False)
            self._broke = TooSlow("it is too slow") if sent else unasked
        if self._broke is None and code != pycurl.E_OK:
            self._broke = Unreachable(_WHY.get(code, "what it answers is not HTTP"), sent=sent)
        if self._broke is None:
            try:
                status = curl.getinfo(pycurl.RESPONSE_CODE)
                later = seconds(self._told.get("retry-after", ""))
                self.settle(Answer(status, self._body(), later, self._told))
            except CallError as broken:
                self.settle(broken)
        else:
            self.settle(self._broke)

    def settle(self, outcome: Answer | CallError) -> None:
        """Tell the loop; from any thread."""
        with contextlib.suppress(RuntimeError):  # The loop may be closed by now.
            self.loop.call_soon_threadsafe(self._settle, outcome)

    def _settle(self, outcome: Answer | CallError) -> None:
        if self.answer.done():
            return
        if isinstance(outcome, CallError):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)

    def _open(self, _purpose: int, wanted: Any) -> Any:
        """A socket, if it is for an address that was judged."""
        family, kind, protocol, address = wanted
        try:
            if ip_address(address[0]) in self._addresses:
                return socket.socket(family, kind, protocol)
        except (OSError, ValueError):  # No more sockets; no address of the internet.
            pass
        return pycurl.SOCKET_BAD

    def _on_line(self, line: bytes) -> int:
        self._lines += 1
        self._head += len(line)
        if self._lines > self._limits.head_lines:
            return self._too_much(f"more than {self._limits.head_lines} lines of headers")
        if self._head > self._limits.head_bytes:
            return self._too_much(f"more than {self._limits.head_bytes} bytes of headers")
        if line[:5] == b"HTTP/":
            self._told = {}
            code = line[9:12]
            self._status = int(code) if code.isdigit() else 0
        elif not line.strip():
            if self._status >= FINAL:
                self._hear()
        else:
            named, _, value = line.decode("latin-1").partition(":")
            name, value = named.strip().lower(), value.strip()
            self._told[name] = f"{self._told[name]}, {value}" if name in self._told else value
        return len(line)

    def _hear(self) -> None:
        """The head is whole: see whether somebody wants to hear the rest as it arrives."""
        if self._listener is None:
            return
        kind = self._told.get("content-type", "").partition(";")[0].strip().lower()
        if self._listener.types is None or kind in self._listener.types:
            self._heard = True
            self._chunks = Unchunker(self._limits) if self._coded else None
            self._tell(self._listener.on_head, self._status, self._told)

    @property
    def _coded(self) -> str:
        return self._told.get("transfer-encoding", "").lower()

    def _tell(self, heard: Callable[..., None], *what: object) -> None:
        with contextlib.suppress(RuntimeError):  # The loop may be closed by now.
            self.loop.call_soon_threadsafe(heard, *what)

    def _on_piece(self, piece: bytes) -> int:
        self._pieces += 1
        self._size += len(piece)
        if self._pieces > self._limits.pieces:
            return self._too_much(f"more than {self._limits.pieces} pieces")
        framed = bool(self._coded)
        most = self._limits.body_bytes + (FRAME_BYTES * self._limits.pieces if framed else 0)
        if self._size > most:
            what = "bytes, its chunks' frames included" if framed else "bytes"
            return self._too_much(f"more than {most} {what}")
        if not self._heard or self._listener is None:
            self._raw += piece
            return len(piece)
        try:
            found = self._chunks.feed(piece) if self._chunks else piece
        except CallError as broken:
            self._broke = broken
            return 0
        if found:
            self._tell(self._listener.on_piece, found)
        return len(piece)

    def _too_much(self, why: str) -> int:
        self._broke = TooMuch(why)
        return 0  # This ends the transfer.

    def _body(self) -> bytes:
        if self._coded and self._coded != "chunked":
            raise Unreachable("what it answers has an encoding that nobody asked for")
        if self._chunks and not self._chunks.done:
            raise Unreachable(NOT_WHOLE)
        if self._heard or not self._coded:
            return bytes(self._raw)
        return unchunked(self._raw, self._limits)


def seconds(later: str) -> float | None:
    """What a header Retry-After says, in seconds from now: a number of them, or a date."""
    if later.isascii() and later.isdigit():
        return float(later) if len(later) <= MOST_DIGITS else None
    try:
        until = parsedate_to_datetime(later)
    except (ValueError, TypeError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


_HEADERS = {
    "accept": "Accept: application/json",
    "accept-encoding": "Accept-Encoding: identity",
    "expect": "Expect:",
    "user-agent": "User-Agent: agentbazaar",
}
_ALWAYS: tuple[tuple[int, Any], ...] = (
    (pycurl.NOSIGNAL, 1),
    (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
    # Nothing that the environment or a file says: no proxy, no password.
    (pycurl.PROXY, ""),
    (pycurl.NETRC, pycurl.NETRC_IGNORED),
    (pycurl.FOLLOWLOCATION, 0),
    (pycurl.PATH_AS_IS, 1),
    # HTTP/2 has frames without end that no callback would count.
    (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
    (pycurl.HTTP_CONTENT_DECODING, 0),
    (pycurl.HTTP_TRANSFER_DECODING, 0),
    (pycurl.TCP_NODELAY, 1),
    # What a server sends unasked on an idle connection would be taken for the next answer.
    (pycurl.FORBID_REUSE, 1),
    (pycurl.FRESH_CONNECT, 1),
    (pycurl.CAINFO, certifi.where()),
)
