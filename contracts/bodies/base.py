"""What bodies are made of: the strict model, words, and ids that may be empty."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, TypeAdapter, WithJsonSchema

from contracts.base import Id, Model
from contracts.chat import MAX_CONTENT

_WORD = re.compile("[^\\s\\x1c-\\x1f\\x85\\ufeff]")
"""Anything but white space, as every dialect of regular expressions sees it."""


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


def such_as(**members: JsonValue) -> dict[str, JsonValue]:
    """A body's example, for the OpenAPI document."""
    return {"examples": [members]}


class Body(Model, extra="forbid", populate_by_name=False):
    """A body of which every member is known; its names are camelCase and nothing else."""
