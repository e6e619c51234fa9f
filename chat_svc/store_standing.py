"""SQL of open turns whose next word may have been lost. Nothing here commits."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_svc.store import Found
from chat_svc.tables import rounds, turns


async def claim_open(conn: AsyncConnection, wait_s: float, limit: int) -> Sequence[Found]:
    """Take turns that have been open for long; each goes to one replica.

    Args:
        conn: in a transaction, which is short: whoever goes on with a turn waits for it.
        wait_s: seconds that a turn is left alone, after it began and between two times.
        limit: how many at most.
    """
    due = (
        select(turns.c.id)
        .where(
            turns.c.status != "done",
            turns.c.created_at < func.now() - _seconds(wait_s),
            or_(turns.c.ask_at.is_(None), turns.c.ask_at <= func.now()),
        )
        .order_by(turns.c.deadline_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    query = (
        update(turns)
        .where(turns.c.id == due.c.id)
        .values(ask_at=func.now() + _seconds(wait_s))
        .returning(turns)
    )
    taken: Sequence[Found] = (await conn.execute(query)).all()
    return taken


async def moved_lately(conn: AsyncConnection, turn: Found, seconds: float) -> bool:
    """Whether a turn began, or made its last move, in the last so many seconds."""
    since = func.now() - _seconds(seconds)
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


def _seconds(seconds: float) -> Any:
    return func.make_interval(0, 0, 0, 0, 0, 0, seconds)
