"""Bodies in chunks, taken apart: in one go, or piece by piece as they arrive."""

import re

from chassis.outbound.errors import TooMuch, Unreachable
from chassis.outbound.exchange import Limits

_CHUNK = re.compile(rb"([0-9a-fA-F]{1,16})[ \t]*(?:;[^\n]*)?\r?\n")
_END = re.compile(rb"\r?\n")
NOT_WHOLE = "what it answers are not whole chunks"


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
    raise Unreachable(NOT_WHOLE)


class Unchunker:
    """The same for a body that is read while it arrives."""

    def __init__(self, limits: Limits) -> None:
        """Begin before the first chunk."""
        self._limits = limits
        self._line = bytearray()
        self._left = self._chunks = self._bytes = 0
        self._between = False
        self.done = False

    def feed(self, piece: bytes) -> bytes:
        """What a piece of the wire has of the body. Raises like `unchunked`."""
        body = bytearray()
        at = 0
        while at < len(piece) and not self.done:
            if self._left:
                part = piece[at : at + self._left]
                body += part
                at += len(part)
                self._left -= len(part)
                self._between = not self._left
            else:
                at = self._frame(piece, at)
        self._bytes += len(body)
        if self._bytes > self._limits.body_bytes:
            raise TooMuch(f"more than {self._limits.body_bytes} bytes")
        return bytes(body)

    def _frame(self, piece: bytes, at: int) -> int:
        """Read on in the line between two chunks; where the next byte after it is."""
        ends = piece.find(b"\n", at)
        self._line += piece[at : len(piece) if ends < 0 else ends + 1]
        if ends < 0:
            if len(self._line) > self._limits.head_bytes:
                raise TooMuch(f"more than {self._limits.head_bytes} bytes between two chunks")
            return len(piece)
        line, self._line = bytes(self._line), bytearray()
        if self._between and _END.fullmatch(line):
            self._between = False
            return ends + 1
        self._between = False
        found = _CHUNK.fullmatch(line)
        if found is None:
            raise Unreachable(NOT_WHOLE)
        self._left = int(found[1], 16)
        self.done = not self._left
        self._chunks += 1
        if self._chunks > self._limits.pieces:
            raise TooMuch(f"more than {self._limits.pieces} pieces")
        return ends + 1
