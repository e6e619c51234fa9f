"""Parameters of paths, queries and headers, read strictly: what nobody would heed is refused."""

import re
from collections.abc import Callable, Coroutine, Iterator
from typing import Annotated, Any

from fastapi import HTTPException, Path, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, Field, JsonValue, TypeAdapter, WithJsonSchema

from contracts.base import Id
from gateway.layers.paths import CONTROL

MAX_PLACE = 10**18 - 1
SHOWN = 40
"""Characters of a name that a sentence repeats."""
_WHOLE = re.compile(r"0|[1-9][0-9]*")
_TRUTHS = {"true": True, "false": False}


def _in_digits(text: Any) -> Any:
    if isinstance(text, str) and not _WHOLE.fullmatch(text):
        raise ValueError("a whole number is expected, in the digits 0 to 9")
    return text


def _true_or_false(text: Any) -> Any:
    if isinstance(text, str) and text not in _TRUTHS:
        raise ValueError("true or false is expected")
    return _TRUTHS.get(text, text)


Whole = Annotated[int, BeforeValidator(_in_digits)]
"""A number without sign, space, underscore or foreign digits, all of which Python would read."""
Truth = Annotated[bool, BeforeValidator(_true_or_false)]
"""`true` or `false`, and not the other words that Pydantic knows for them."""


def left_out(pattern: str, words: str) -> tuple[BeforeValidator, WithJsonSchema]:
    """A parameter of this form; nothing for an empty text, as forms of browsers send it.

    Args:
        pattern: the form.
        words: the same, for people.
    """
    form = re.compile(pattern)

    def read(text: Any) -> Any:
        if isinstance(text, str) and text and not form.fullmatch(text):
            raise ValueError(f"{words} is expected")
        return text or None

    return BeforeValidator(read), WithJsonSchema({"type": "string", "pattern": f"^({pattern})?$"})


PRICE = left_out(r"(0|[1-9][0-9]{0,5})(\.[0-9]{1,6})?", "an amount below a million such as 0.25")
"""An amount in BazaarBucks, below a million."""
STARS = left_out(r"[0-4](\.[0-9]{1,2})?|5(\.0{1,2})?", "a number from 0 to 5 such as 4.25")
SEEN: dict[str, JsonValue] = {"pattern": r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"}
"""Of texts: no control characters, which are refused wherever they are asked with."""


Place = Annotated[
    Annotated[int, Field(le=MAX_PLACE)] | None,
    BeforeValidator(lambda text: None if text == "" else _in_digits(text)),  # as a browser has it
    WithJsonSchema({"type": "string", "pattern": "^(|0|[1-9][0-9]{0,17})$"}),
]
"""A place in the stream of events, if any."""
PathId = Annotated[str, Path(description="Its id."), WithJsonSchema(TypeAdapter(Id).json_schema())]
"""An id in a path. One that no id can look like is unknown, not wrong: see `asking.known_id`."""


class StrictRoute(APIRoute):
    """A route that takes the query parameters it names, each once, and nothing else."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Look at the query, then go on as usual."""
        handle = super().get_route_handler()
        known = frozenset(_names(self))

        async def checked(request: Request) -> Response:
            query = request.query_params.multi_items()
            given = [name for name, _ in query]
            for name, value in query:
                if name not in known:
                    raise HTTPException(422, f"{name[:SHOWN]}: There is no such query parameter.")
                if CONTROL.search(value):
                    raise HTTPException(422, f"{name}: It has a control character in it.")
                if given.count(name) > 1:
                    raise HTTPException(422, f"{name}: This query parameter is there twice.")
            return await handle(request)

        return checked


def _names(route: APIRoute) -> Iterator[str]:
    for parameter in route.dependant.query_params:
        kind = parameter.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from (info.alias or name for name, info in kind.model_fields.items())
        else:
            yield parameter.alias
