"""What the log may tell of an error: its kind and its place, and nothing that a caller sent.

The text of an error often repeats what it stumbled over: a body, a header, a reply with somebody's
words in it.
"""

import traceback
from typing import Any

from pydantic import ValidationError

FRAMES = 12
FIELDS = 5


def told(error: BaseException | None) -> str:
    """The kind of an error; of one of Pydantic's also which fields are wrong, and how."""
    if not isinstance(error, ValidationError):
        return type(error).__name__
    wrong = error.errors(include_url=False, include_context=False, include_input=False)
    fields = [f"{_field(one)} {one['type']}" for one in wrong[:FIELDS]]
    return f"{type(error).__name__} of {error.title}: {', '.join(fields)}"


def where(error: BaseException) -> list[str]:
    """The innermost places that an error came through, the last one where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _field(wrong: Any) -> str:
    """The field of the model; what lies further down may be a name that somebody made up."""
    return str(wrong["loc"][0])[:40] if wrong["loc"] else "all of it"
