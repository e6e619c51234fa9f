"""SQL of open turns whose next word may have been lost. Nothing here commits."""

from collections.abc import Sequence

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.intervals import seconds
from chassis.db.unheard import claim
from chat_svc.store import Found
from chat_svc.tables import rounds, turns


async def claim_open(conn: AsyncConnection, wait_s: float, limit: int) -> Sequence[Found]:
    """Take turns that have been open for so many seconds, and were not taken as lately."""
    open_ = turns.c.status != "done"
    query = claim(turns, open_, by=turns.c.deadline_at, wait_s=wait_s, limit=limit)
    taken: Sequence[Found] = (await conn.execute(query.returning(turns))).all()
    return taken


async def moved_lately(conn: AsyncConnection, turn: Found, within_s: float) -> bool:
    """Whether a turn began, or made its last move, in the last so many seconds."""
    since = func.now() - seconds(within_s)
    query = (
        select(turns.c.id)
        .outerjoin(
            rounds, and_(rounds.c.turn_id == turns.c.id, rounds.c.round == turns.c.round - 1)
        )
        .where(
            turns.c.id == turn.id, func.coalesce(rounds.c.created_at, turns.c.created_at) > since
        )
    )
    return (await conn.execute(query)).first() is not None
