"""Answers of the gateway's own API, as a door gets them."""

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


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


def place(path: str, id_: object) -> str:
    """An address of the API with an id of the caller's for the `{}` in it.

    Raises:
        Refused: 404, nothing can have this id.
    """
    if not isinstance(id_, str) or not ID.fullmatch(id_):
        raise Refused(404, b'{"error": "There is nothing with this id."}', Headers())
    return path.format(id_)
