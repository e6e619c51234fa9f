"""Rows that wait for a word from another service: which are to be asked after now."""

from typing import Any

from sqlalchemy import ColumnElement, Table, Update, func, or_, select, update

from chassis.db.intervals import after, seconds


def claim(
    table: Table, *waiting: ColumnElement[bool], by: ColumnElement[Any], wait_s: float, limit: int
) -> Update:
    """Take rows that have waited for long; each goes to one replica.

    In a transaction that is short: whoever goes on with such a row waits for it.

    Args:
        table: has the columns `id`, `created_at`, and `ask_at`: when a row is asked after next.
        waiting: the conditions of those that wait.
        by: which of them come first.
        wait_s: seconds that a row is left alone, after it was made and between two times.
        limit: how many at most.
    """
    due = (
        select(table.c.id)
        .where(
            *waiting,
            table.c.created_at < func.now() - seconds(wait_s),
            or_(table.c.ask_at.is_(None), table.c.ask_at <= func.now()),
        )
        .order_by(by)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    return update(table).where(table.c.id == due.c.id).values(ask_at=after(wait_s))
