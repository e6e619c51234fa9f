"""SQL of what turns of long ago need no longer. Nothing here commits."""

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.intervals import days
from chat_svc.store_rounds import forget_rounds
from chat_svc.tables import turns


async def strip_turns(conn: AsyncConnection, older_than: int, at_most: int) -> int:
    """Drop moves, calls and causes of turns that began so many days ago; what was said stays.

    Returns:
        How many turns those were; another replica's are left to it.
    """
    old = (
        select(turns.c.id)
        .where(
            ~turns.c.aged,
            turns.c.status == "done",
            turns.c.created_at < func.now() - days(older_than),
        )
        .order_by(turns.c.created_at)
        .limit(at_most)
        .with_for_update(skip_locked=True)
        .cte("old")
    )
    stripped = await conn.execute(
        update(turns)
        .where(turns.c.id == old.c.id)
        .values(cause={}, weight=func.length(turns.c.content), aged=True)
        .returning(turns.c.id)
    )
    ids = list(stripped.scalars())
    if ids:
        await forget_rounds(conn, ids)
    return len(ids)
