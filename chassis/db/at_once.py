"""Transactions of one statement, for what every call does: done whole, or not at all.

PostgreSQL commits such a statement by itself. BEGIN, each statement and COMMIT are a way to the
server each, and a way costs more processor time, here and there, than what is done at its end. The
statement changes rows, one after the other, and writes the outbox row too.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Interval, LargeBinary, bindparam, text
from sqlalchemy.types import TypeEngine

from chassis.db.statements import RowT, Statement
from chassis.outbox.relay import RELAY_QUEUE


class Left(NamedTuple):
    """The outbox row that was written."""

    row_id: int


def at_once(
    schema: str,
    parts: str,
    row: Callable[..., RowT],
    types: Mapping[str, TypeEngine[Any]],
    *,
    first: str,
    last: str,
    result: str = "SELECT id FROM outbox_row",
) -> Statement[RowT]:
    """A statement that is a transaction (`chassis.db.transaction.Transaction.at_once`).

    Nothing is done where the first part has no row: by that it says that something is in the way.
    Where it has one and the last has none, which happens when somebody else came in between, the
    outbox row would be empty: the server refuses it, and all is undone.

    Args:
        schema: whose outbox it is.
        parts: what follows `WITH`; each part takes its row from the one before, so that rows are
            locked in that order.
        row: is called with what `result` says.
        types: of the values.
        first: the part that says whether it is done.
        last: the one that is done last.
        result: a query of these parts and of `outbox_row`, whose `id` comes first.
    """
    query = (
        f"WITH {parts}, outbox_row AS ("  # noqa: S608  (words of a service, no caller's)
        f"INSERT INTO {schema}.{schema}_outbox (queue, headers, payload, next_attempt_at) "
        f"SELECT '{RELAY_QUEUE}', jsonb_build_object('content-type', 'application/json'), "
        f"(SELECT CAST(:outbox_row AS bytea) FROM {last}), now() + :grace FROM {first} "
        f"RETURNING id) {result}"
    )
    known: dict[str, Any] = {"outbox_row": LargeBinary(), "grace": Interval(), **types}
    return Statement(
        text(query).bindparams(*(bindparam(name, type_=type_) for name, type_ in known.items())),
        row,
    )
