"""What bodies are made of: the strict model, words, and ids that may be empty."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, TypeAdapter, WithJsonSchema

from contracts.base import Id, Model, Moment
from contracts.chat import MAX_CONTENT

_WORD = re.compile("[^\\s\\x1c-\\x1f\\x85\\ufeff]")
"""Anything but white space, as every dialect of regular expressions sees it."""
_MOMENT = re.compile(
    r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def _with_a_word(text: str) -> str:
    if not _WORD.search(text):
        raise ValueError("must contain more than white space")
    return text


_SAYS_SOMETHING = (
    AfterValidator(_with_a_word),
    Field(json_schema_extra={"pattern": r"[^\s\u001c-\u001f\u0085\ufeff]"}),
)
Words = Annotated[str, Field(min_length=1, max_length=MAX_CONTENT), *_SAYS_SOMETHING]
Skill = Annotated[str, Field(min_length=1, max_length=100), *_SAYS_SOMETHING]
Label = Annotated[str, Field(min_length=1, max_length=200), *_SAYS_SOMETHING]


def _none_when_empty(id_: object) -> object:
    return None if id_ == "" else id_


MaybeId = Annotated[
    Id | None,
    BeforeValidator(_none_when_empty),
    WithJsonSchema(
        {
            "anyOf": [
                TypeAdapter(Id).json_schema(),
                {"type": "string", "maxLength": 0},
                {"type": "null"},
            ]
        }
    ),
]
"""An id or none; an empty text, as forms send it, is none."""


def _written_out(said: object) -> object:
    if not (isinstance(said, str) and _MOMENT.fullmatch(said)):
        raise ValueError('a time with its offset is expected, such as "2030-01-01T00:00:00Z"')
    return said


AskedMoment = Annotated[Moment, BeforeValidator(_written_out)]
"""A point in time as RFC 3339 writes it: not a number, nor a time of who knows which zone."""


def such_as(**members: JsonValue) -> dict[str, JsonValue]:
    """A body's example, for the OpenAPI document."""
    return {"examples": [members]}


class Body(Model, extra="forbid", populate_by_name=False):
    """A body of which every member is known; its names are camelCase and nothing else."""
