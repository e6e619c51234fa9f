"""SQL of ids that callers choose: each account has its own, though a row's id is everybody's.

The first to choose an id has it as its row's id, as in release 0.2. To another account that chooses
the same it is a name alone, `asked_id`, of a row with an id of ours: nobody can take, block or
guess what somebody else calls a payment.
"""

from typing import Any

from sqlalchemy import ColumnElement, Row, Table, and_, or_, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

Found = Row[*tuple[Any, ...]]


def called(table: Table, account: str, name: str) -> ColumnElement[bool]:
    """The condition of the account's only row with this id or name."""
    mine = table.c.asked_id.is_(None)
    return and_(
        table.c.account == account,
        or_(table.c.asked_id == name, and_(table.c.id == name, mine)),
    )


def shown_id(row: Found) -> str:
    """What the row's owner calls it."""
    return str(row.asked_id or row.id)


async def lock(conn: AsyncConnection, account: str, name: str) -> None:
    """Let no request of the account use a name that is not a row's id at the same time."""
    query = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 7201996))")
    await conn.execute(query, {"name": f"{account}\n{name}"})


async def insert(
    conn: AsyncConnection, table: Table, instead: str, values: dict[str, Any]
) -> Found | None:
    """Store a row with the id that its owner chose, or else under that name.

    Args:
        conn: the transaction's.
        table: of payments.
        instead: the row's id if another account has the chosen one.
        values: of its columns; `id` is the chosen one.

    Returns:
        The row; None when the account has used the id before.
    """
    fresh = upsert(table).on_conflict_do_nothing().returning(table)
    stored: Found | None = (await conn.execute(fresh.values(values))).one_or_none()
    if stored is not None:
        return stored
    mine = table.select().where(called(table, values["account"], values["id"]))
    if (await conn.execute(mine)).first() is not None:
        return None
    named = {**values, "id": instead, "asked_id": values["id"]}
    found: Found | None = (await conn.execute(fresh.values(named))).one_or_none()
    return found
