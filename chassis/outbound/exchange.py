"""What is asked of a stranger, what may come back, and what that may cost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal


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
    """What is asked; `body` as it is sent.

    Attributes:
        headers: beside those that every call has, and in their place.
        query: of the URL, without its question mark; a URL that a stranger gave has none.
    """

    method: Literal["GET", "POST", "DELETE"]
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    query: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, and the body without its chunks, not decompressed.

    Attributes:
        retry_after_s: how long the server wants to be left alone, if it says so.
        headers: names in small letters; what is there twice is joined by commas.
    """

    status: int
    body: bytes
    retry_after_s: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears an answer while it arrives; the calls come in the event loop, in order.

    Attributes:
        types: content types (`text/event-stream`) of answers that are heard so; None for all.
            What was heard is not in the answer's body.
        on_head: its status and headers have come.
        on_piece: more of its body has come.
    """

    types: frozenset[str] | None
    on_head: Callable[[int, Mapping[str, str]], None]
    on_piece: Callable[[bytes], None]
