"""Errors as logs may show them: what went wrong and where, and nothing that somebody sent.

What an error says may quote the value that it is about: a body, a message, an agent's result. So
its own words are told only where they are known to be ours (`loggable`), and else its kind, with
what the database, the operating system or a server numbered it by.
"""

import os
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from pydantic import ValidationError

MOST_CHARS = 500
MOST_CAUSES = 3
_OF_VALUES = ("22", "23", "P0")
"""SQLSTATEs about values; the words of all others name tables, roles and what the server does."""
_STATUS = ("status_code", "http_status", "code")


def worded(error: BaseException) -> str:
    """An error and what caused it, in one line without values."""
    return " from ".join(_alone(one) for one in _chain(error))[:MOST_CHARS]


def traced(error: BaseException) -> str:
    """The same with the lines of code that it came through, the innermost error last."""
    parts = []
    for one in reversed([*_chain(error)]):
        parts.append("".join([*_frames(one.__traceback__), _alone(one)]))
        if isinstance(one, BaseExceptionGroup):
            parts += [f"in it: {traced(inner)}" for inner in one.exceptions[:MOST_CAUSES]]
    return "\n\n".join(parts)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen and len(seen) <= MOST_CAUSES:
        yield found
        seen.add(id(found))
        below = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
        # FastStream wraps the model's own error, which is told with it.
        found = None if below is getattr(found, "original_error", found) else below


def _frames(trace: TracebackType | None) -> list[str]:
    return traceback.format_tb(trace) if trace is not None else []


def _alone(error: BaseException) -> str:
    return " ".join([type(error).__name__, *filter(None, map(str, _about(error)))])


def _about(error: BaseException) -> Iterator[object]:
    if getattr(error, "loggable", False) or type(error).__module__.startswith("nats."):
        yield " ".join(str(error).split())
    elif (refused := _by_the_database(error)) is not None:
        yield refused.sqlstate
        if not str(refused.sqlstate).startswith(_OF_VALUES):
            yield refused.args[0] if refused.args else None
        for name in ("table_name", "column_name", "constraint_name"):
            if value := getattr(refused, name, None):
                yield f"{name.removesuffix('_name')}={value}"
    elif isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        yield os.strerror(error.errno)
    elif isinstance(getattr(error, "original_error", error), ValidationError):
        yield from _wrong_fields(error)
    else:
        for name in _STATUS:
            if isinstance(value := getattr(error, name, None), int):
                yield value
                break


def _by_the_database(error: BaseException) -> Any:
    """The driver's own error, in or below one of SQLAlchemy; None for all other errors."""
    for one in (error, getattr(error, "orig", None)):
        for found in (getattr(one, "__cause__", None), one):
            if isinstance(getattr(found, "sqlstate", None), str):
                return found
    return None


def _wrong_fields(error: Any) -> Iterator[str]:
    """The fields of a model that were wrong, and how; never a name that the sender chose."""
    # FastStream names the handler's argument ahead of the field.
    depth = 2 if hasattr(error, "original_error") else 1
    of: ValidationError = getattr(error, "original_error", error)
    for wrong in of.errors(include_url=False, include_context=False, include_input=False)[:3]:
        names = () if wrong["type"] == "extra_forbidden" else wrong["loc"][:depth]
        field = ".".join(name for name in names if isinstance(name, str))
        yield f"{field}: {wrong['type']}" if field else wrong["type"]
