"""Heads of HTTP/1.1 as bytes: read, and written."""

from collections.abc import Iterable
from http import HTTPStatus

import httptools

from contracts.api import Problem

Header = tuple[bytes, bytes]
"""A name in small letters, and a value."""


def host_of(url: bytes) -> Header:
    """`GET http://host/…`: that is the host then, whatever the header says (RFC 9112)."""
    asked = httptools.parse_url(url)
    host = asked.host or b""
    if b":" in host:
        host = b"[%s]" % host
    if asked.port is not None:
        host = b"%s:%d" % (host, asked.port)
    return b"host", host


def without_upgrade(method: bytes, url: bytes, version: str, headers: Iterable[Header]) -> bytes:
    """The head of a request, asking for no other protocol; `version` as in "1.1"."""
    lines = [b"%s %s HTTP/%s" % (method, url, version.encode())]
    lines += [b"%s: %s" % header for header in headers if header[0] != b"upgrade"]
    return b"\r\n".join([*lines, b"", b""])


def refusal(status: HTTPStatus, text: str) -> bytes:
    """A whole answer in the shape of all errors, after which the connection is closed.

    Whoever is refused because we are too busy may come again in a second.
    """
    body = Problem(error=text, title=status.phrase, status=status, detail=text)
    content = body.model_dump_json().encode()
    later = b"retry-after: 1\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else b""
    return (
        b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
        b"%sconnection: close\r\n\r\n%s"
        % (status, status.phrase.encode(), len(content), later, content)
    )
