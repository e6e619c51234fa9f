"""What whoever sent a request is told: its reply as it travels, or why there is none."""

from typing import Any

import structlog
from fast_depends.exceptions import ValidationError as ArgumentError
from faststream import Response
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from chassis.away import is_away, is_unstorable, takes_nothing, why_away
from chassis.bus import MAX_MESSAGE_BYTES, REPLIED, encoded, refusal_headers
from chassis.terminal import one_line
from chassis.wording import worded
from contracts.base import Model
from contracts.errors import Internal, Invalid, Refusal, Unavailable

log = structlog.get_logger()


def as_refusal(error: Exception, context: str) -> Refusal:
    """What whoever asked the context's service is told of an error; the rest goes to the log."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, ArgumentError):
        return Invalid(f"The request is not valid: {_first(error)}")
    if is_away(error) or isinstance(error, OSError):
        log.error("database unreachable", error=error)
        if takes_nothing(error):
            return Unavailable(f"The database of the {context} service {why_away(error)}.")
        return Unavailable(f"The {context} service cannot reach its database.")
    if is_unstorable(error):
        log.warning("request cannot be stored", error=error)
        return Invalid("The request holds a value that cannot be stored.")
    log.error("request failed", exc_info=error)
    return Internal("Something went wrong on our side.")


def in_words(error: Exception) -> str:
    """An error by its type and what it says, for dead letters, which hold the message anyway.

    Logs have errors without their values: `log.error("...", error=error)`.
    """
    if isinstance(error, SQLAlchemyError):
        return worded(error)
    said = _first(error) if isinstance(error, ArgumentError) else str(error)
    return one_line(f"{type(error).__name__}: {said}")


def _first(error: ArgumentError) -> str:
    if isinstance(error.original_error, ValidationError):
        found = error.original_error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in found["loc"] if part not in ("request", "event"))
        text = str(found["msg"]).removeprefix("Value error, ")
        return f"{place}: {text}" if place else text
    return " ".join(str(error).split())[:300]


def weighed(reply: Any) -> Any:
    """A reply as it travels: plain JSON, and a refusal when NATS would not carry it.

    Raises:
        Invalid: the reply is too large.
    """
    if not isinstance(reply, Model):
        return reply
    body = encoded(reply)
    if len(body) > MAX_MESSAGE_BYTES:
        raise Invalid("The answer is too large; ask for fewer at once with `limit`.")
    return Response(body, headers=dict(REPLIED))


def refused(error: Refusal) -> Response:
    """A reply that is a refusal: an empty body, and headers that tell."""
    return Response(b"", headers=refusal_headers(error))
