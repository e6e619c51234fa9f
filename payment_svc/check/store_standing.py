"""SQL of open holds whose steps are asked after. Nothing here commits."""

from collections.abc import Sequence

from sqlalchemy import CTE, ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.intervals import after
from chassis.db.unheard import claim
from payment_svc.tables import holds


async def claim_open(conn: AsyncConnection, wait_s: float, limit: int) -> list[str]:
    """Take holds that have been open for so many seconds, and were not taken as lately."""
    open_ = holds.c.status == "held"
    query = claim(holds, open_, by=holds.c.created_at, wait_s=wait_s, limit=limit)
    return list((await conn.execute(query.returning(holds.c.id))).scalars())


async def note_running(conn: AsyncConnection, ids: Sequence[str]) -> None:
    """Keep that the steps of these holds go on."""
    locked = _locked(ids, holds.c.running.is_(False))
    await conn.execute(update(holds).where(holds.c.id == locked.c.id).values(running=True))


async def note_ended(conn: AsyncConnection, ids: Sequence[str], delay_s: float) -> None:
    """Keep that they do not go on, and leave the holds alone for so many seconds."""
    locked = _locked(ids)
    values = {"running": False, "ask_at": after(delay_s)}
    await conn.execute(update(holds).where(holds.c.id == locked.c.id).values(values))


def _locked(ids: Sequence[str], *more: ColumnElement[bool]) -> CTE:
    """Those that are still open, locked in the order of all who lock several."""
    query = select(holds.c.id).where(holds.c.id.in_(ids), holds.c.status == "held", *more)
    return query.order_by(holds.c.id).with_for_update().cte("locked")
