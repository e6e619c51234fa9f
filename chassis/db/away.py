"""Whether an error of the database means that it is away, or full, or refused a value."""

from typing import TypeGuard

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

ONLY_READS = "25006"
NO_WRITES = {"53100": "has no room on its disk", ONLY_READS: "can only be read"}
AWAY = ("08", "28", "53", "57P", ONLY_READS, "58030")
"""SQLSTATEs of a connection lost, a login refused, no room for more (on its disk too), shutting
down or starting, a server that may be read only, a disk that does not answer."""
BAD_VALUE = "22"
"""SQLSTATEs of values that cannot be stored: too long, out of range, not a text."""


class Away(Exception):
    """No connection to the database can be had now."""

    loggable = True


TROUBLES = (Away, SQLAlchemyError, TimeoutError, OSError)
"""All that comes of a database that does not do what it is asked for."""


def is_away(error: Exception) -> bool:
    """Whether an error means that the database cannot be reached, or does not take work now."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or sqlstate(error).startswith(AWAY)
    return isinstance(error, Away)


def takes_nothing(error: Exception) -> TypeGuard[DBAPIError]:
    """Whether the database is there and cannot be written to."""
    return isinstance(error, DBAPIError) and sqlstate(error) in NO_WRITES


def why_away(error: Exception) -> str:
    """What keeps a database from taking work, as the end of a sentence about it."""
    if not takes_nothing(error):
        return "does not answer"
    return NO_WRITES[sqlstate(error)]


def is_unstorable(error: Exception) -> bool:
    """Whether the database refused a value itself, so that another attempt is refused too."""
    return isinstance(error, DBAPIError) and sqlstate(error).startswith(BAD_VALUE)


def sqlstate(error: DBAPIError) -> str:
    """The five characters by which PostgreSQL says what went wrong; empty when it said nothing."""
    return str(getattr(error.orig, "sqlstate", None) or "")
