"""JSON bodies, read strictly: what a service or a database cannot take is refused here."""

import json
import re
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi import HTTPException, Request, Response
from pydantic_core import from_json

from contracts.numbers import exact
from gateway.parameters import SHOWN, StrictRoute

MAX_DEPTH = 64
"""Arrays and objects inside one another: far more than anyone needs, less than parsers bear."""
TOO_DEEP = f"The body is nested more than {MAX_DEPTH} levels deep."

NO_JSON = "Send JSON in UTF-8, with the header Content-Type: application/json."
UTF_8 = frozenset({"utf-8", "utf8"})
_SUSPECT = re.compile(rb"\\u0000")
"""What may stand for a NUL character."""


class StrictJson(Request):
    """A request whose body FastAPI gets from our parser."""

    async def json(self) -> Any:
        """The body's JSON; HTTP errors instead of a value that others would stumble over."""
        return read(await self.body())


class JsonRoute(StrictRoute):
    """A route that takes JSON and nothing else.

    A form or plain text can be posted from any web page without asking; JSON cannot.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Look at the content type, then go on as usual."""
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            kinds = request.headers.getlist("content-type")
            if len(kinds) != 1 or not is_json(kinds[0]):
                raise HTTPException(415, NO_JSON)
            return await handle(StrictJson(request.scope, request.receive))

        return checked


def is_json(content_type: str) -> bool:
    """Whether it is JSON, in the one encoding that JSON has between systems (RFC 8259)."""
    kind, *parameters = content_type.lower().split(";")
    pairs = [parameter.partition("=") for parameter in parameters]
    return kind.strip() == "application/json" and all(
        value.strip().strip('"') in UTF_8
        for name, _, value in pairs
        if name.strip().startswith("charset")
    )


def read(body: bytes) -> Any:
    """Parse JSON.

    Raises:
        HTTPException: 400, it is not JSON; 422, it is, but has lone surrogates, NULs, numbers
            that would change, a member twice, or no end of depth. (FastAPI lets no other error
            through.)
    """
    try:
        from_json(body, allow_inf_nan=False)  # stricter than Python's parser, and quick
    except ValueError as error:
        _refuse(body, str(error))
    try:
        value = json.loads(body, parse_float=exact, object_pairs_hook=_members)
    except ValueError as error:
        raise HTTPException(422, f"The body's JSON cannot be taken: {error}.") from None
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH or _SUSPECT.search(body):
        _inspect(value)
    return value


def _refuse(body: bytes, why: str) -> NoReturn:
    if why.startswith("recursion limit exceeded"):  # It was JSON up to there.
        raise HTTPException(422, TOO_DEEP)
    try:
        json.loads(body, parse_int=str, parse_constant=_no_constant)
    except (ValueError, RecursionError):  # Python's limit is the lower one in a deep stack.
        raise HTTPException(400, f"The body is not JSON: {why}.") from None
    raise HTTPException(422, f"The body's JSON cannot be taken: {why}.")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"the member {twice[:SHOWN]} is there twice")
    return members


def _inspect(value: Any) -> None:
    rest = [(value, 0)]
    while rest:
        item, depth = rest.pop()
        if isinstance(item, str):
            if "\x00" in item:
                raise HTTPException(422, "The body has the NUL character in a text.")
        elif isinstance(item, (dict, list)):
            if depth == MAX_DEPTH:
                raise HTTPException(422, TOO_DEEP)
            inner = [*item, *item.values()] if isinstance(item, dict) else item
            rest.extend((part, depth + 1) for part in inner)
