"""SQL of what the task service has to hear, until it has. Nothing here commits."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.intervals import after
from chassis.db.unheard import claim
from payment_svc.tables import announcements


async def note(
    conn: AsyncConnection, id_: str, account: str, type_: str, body: dict[str, Any]
) -> None:
    """Keep a message that is being published."""
    row = {"id": id_, "account": account, "type": type_, "body": body}
    await conn.execute(insert(announcements), row)


async def claim_unheard(conn: AsyncConnection, wait_s: float, limit: int) -> Sequence[Any]:
    """Take messages that are so many seconds old, and were not asked after as lately."""
    query = claim(announcements, by=announcements.c.created_at, wait_s=wait_s, limit=limit)
    rows: Sequence[Any] = (await conn.execute(query.returning(announcements))).all()
    return rows


async def heard(conn: AsyncConnection, ids: Collection[str]) -> None:
    """Forget what was heard."""
    await conn.execute(delete(announcements).where(announcements.c.id.in_(ids)))


async def ask_later(conn: AsyncConnection, ids: Collection[str], delay_s: float) -> None:
    """Leave messages alone for so many seconds, which were told again."""
    await conn.execute(
        update(announcements).where(announcements.c.id.in_(ids)).values(ask_at=after(delay_s))
    )
