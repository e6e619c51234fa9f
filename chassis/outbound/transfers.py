"""One HTTP exchange by libcurl: how it is asked for, and what its answer may cost.

libcurl reads, decrypts and parses in C, without Python's lock. It calls back once for a line of
headers, also of interim (1xx) answers, and once for what it read of the body: these are counted.
The body is taken as it is on the wire, so that chunks cost what they weigh and not what they hold.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any, Literal

import certifi
import pycurl

from chassis.outbound.addresses import Place
from chassis.outbound.errors import CallError, TooMuch, TooSlow, Unreachable

FRAME_BYTES = 16
"""What the frame of one chunk may weigh on the wire, beside the bytes of the body."""
MOST_DIGITS = 9
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,16})[ \t]*(?:;[^\n]*)?\r?\n")
_END = re.compile(rb"\r?\n")
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


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may cost.

    Attributes:
        total_s: from the look-up of the name to the last byte of the answer.
        connect_s: of it, until there is a connection.
        body_bytes: of the answer's body.
        pieces: parts in which the body may arrive: chunks, and reads of the connection.
        head_lines: of headers and trailers, those of interim (1xx) answers included.
        head_bytes: of the same.
    """

    total_s: float
    body_bytes: int
    connect_s: float = 5.0
    pieces: int = 4_096
    head_lines: int = 256
    head_bytes: int = 32_768


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked; `body` as it is sent."""

    method: Literal["GET", "POST"]
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, and the body without its chunks, not decompressed.

    Attributes:
        retry_after_s: how long the server wants to be left alone, if it says so.
    """

    status: int
    body: bytes
    retry_after_s: float | None = None


class Transfer:
    """A request on its way, with what was read of its answer; `answer` is settled in its loop."""

    def __init__(
        self,
        request: Request,
        place: Place,
        addresses: Sequence[str],
        limits: Limits,
    ) -> None:
        """Prepare it.

        Args:
            request: its URL is not read again; `place` is what was judged.
            place: where it goes.
            addresses: those of `place` that it may connect to, and no others.
            limits: what the answer may cost.
        """
        self.loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Answer] = self.loop.create_future()
        self._request, self._place, self._limits = request, place, limits
        self._addresses = frozenset(ip_address(address) for address in addresses)
        self._raw = bytearray()
        self._pieces = self._lines = self._head = 0
        self._coded = self._later = b""
        self._broke: CallError | None = None

    def handle(self) -> Any:
        """The handle that libcurl takes; made in the thread that drives it.

        Raises:
            ValueError: a header cannot be sent.
        """
        curl = pycurl.Curl()
        place, limits, request = self._place, self._limits, self._request
        for option, value in _ALWAYS:
            curl.setopt(option, value)
        curl.setopt(pycurl.URL, place.url)
        if place.address is None:
            pinned = ",".join(f"[{a}]" if ":" in str(a) else str(a) for a in self._addresses)
            curl.setopt(pycurl.RESOLVE, [f"+{place.host}:{place.port}:{pinned}"])
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)
        if request.method == "POST":
            curl.setopt(pycurl.POST, 1)
            curl.setopt(pycurl.POSTFIELDS, request.body)
        headers = [*_HEADERS, *(f"{name}: {value}" for name, value in request.headers.items())]
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
        if self._broke is None and code == pycurl.E_OPERATION_TIMEDOUT:
            asked = curl.getinfo(pycurl.REQUEST_SIZE) > 0
            self._broke = TooSlow("it is too slow") if asked else Unreachable(NO_CONNECTION)
        if self._broke is None and code != pycurl.E_OK:
            self._broke = Unreachable(_WHY.get(code, "what it answers is not HTTP"))
        if self._broke is None:
            try:
                status = curl.getinfo(pycurl.RESPONSE_CODE)
                self.settle(Answer(status, self._body(), seconds(self._later)))
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
            self._coded = self._later = b""
        elif line[:12].lower() == b"retry-after:":
            self._later = line[12:].strip()
        elif line[:18].lower() == b"transfer-encoding:":
            self._coded += line[18:].strip().lower()
        return len(line)

    def _on_piece(self, piece: bytes) -> int:
        self._pieces += 1
        self._raw += piece
        if self._pieces > self._limits.pieces:
            return self._too_much(f"more than {self._limits.pieces} pieces")
        framed = bool(self._coded)
        most = self._limits.body_bytes + (FRAME_BYTES * self._limits.pieces if framed else 0)
        if len(self._raw) > most:
            what = "bytes, its chunks' frames included" if framed else "bytes"
            return self._too_much(f"more than {most} {what}")
        return len(piece)

    def _too_much(self, why: str) -> int:
        self._broke = TooMuch(why)
        return 0  # This ends the transfer.

    def _body(self) -> bytes:
        if not self._coded:
            return bytes(self._raw)
        if self._coded != b"chunked":
            raise Unreachable("what it answers has an encoding that nobody asked for")
        return unchunked(self._raw, self._limits)


def seconds(later: bytes) -> float | None:
    """What a header Retry-After says, in seconds from now: a number of them, or a date."""
    if later.isdigit():
        return float(later) if len(later) <= MOST_DIGITS else None
    try:
        until = parsedate_to_datetime(later.decode("ascii"))
    except (ValueError, TypeError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def unchunked(raw: bytearray, limits: Limits) -> bytes:
    """A body without the frames of its chunks; trailers and extensions are dropped.

    Raises:
        TooMuch: it has too many chunks or bytes.
        Unreachable: it is not made of chunks.
    """
    body = bytearray()
    at = pieces = 0
    while found := _CHUNK.match(raw, at):
        size = int(found[1], 16)
        if size == 0:
            return bytes(body)
        pieces += 1
        at = found.end() + size
        body += raw[found.end() : at]
        if pieces > limits.pieces:
            raise TooMuch(f"more than {limits.pieces} pieces")
        if len(body) > limits.body_bytes:
            raise TooMuch(f"more than {limits.body_bytes} bytes")
        if ended := _END.match(raw, at):
            at = ended.end()
    raise Unreachable("what it answers are not whole chunks")


_HEADERS = (
    "Accept: application/json",
    "Accept-Encoding: identity",
    "Expect:",
    "User-Agent: agentbazaar",
)
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
