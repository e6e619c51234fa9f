"""What whoever sent a request is told: its reply as it travels, or why there is none."""

import structlog
from sqlalchemy.exc import SQLAlchemyError

from chassis.bus.calls import MAX_MESSAGE_BYTES, REPLIED, Reply, encoded, refusal_headers
from chassis.db.away import is_away, is_unstorable, takes_nothing, why_away
from chassis.handling.listing import Listed
from chassis.observability.terminal import one_line
from chassis.observability.wording import worded
from contracts.base import Model
from contracts.errors import Internal, Invalid, Refusal, Unavailable
from contracts.shown import AS_SHOWN, NEXT

log = structlog.get_logger()


def as_refusal(error: Exception, context: str) -> Refusal:
    """What whoever asked the context's service is told of an error; the rest goes to the log."""
    if isinstance(error, Refusal):
        return error
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
    return one_line(f"{type(error).__name__}: {error}")


def weighed(answer: object, *, shown: bool = False) -> Reply:
    """An answer as it travels: plain JSON, and a refusal when NATS would not carry it.

    Args:
        answer: a model, or a page of a list.
        shown: whether a list is wanted as the API shows it.

    Raises:
        Invalid: the answer is too large.
        TypeError: it is neither.
    """
    headers = REPLIED
    if isinstance(answer, Listed):
        body, after = answer.written(shown=shown)
        if shown:
            headers = {**REPLIED, AS_SHOWN: "true", **({NEXT: after} if after else {})}
    elif isinstance(answer, Model):
        body = encoded(answer)
    else:
        raise TypeError(f"an answer is a model, and no {type(answer).__name__}")
    if len(body) > MAX_MESSAGE_BYTES:
        raise Invalid("The answer is too large; ask for fewer at once with `limit`.")
    return Reply(body, headers)


def refused(error: Refusal) -> Reply:
    """A reply that is a refusal: an empty body, and headers that tell."""
    return Reply(b"", refusal_headers(error))
