"""SQL of what the payment service measures; counted no further than `MOST`."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from payment_svc.tables import holds

MOST = 10_000
_OPEN = (
    select(holds.c.created_at)
    .where(holds.c.status == "held")
    .order_by(holds.c.created_at)
    .limit(MOST)
    .subquery()
)
_HOLDS = select(
    func.count(),
    func.coalesce(func.extract("epoch", func.clock_timestamp() - func.min(_OPEN.c.created_at)), 0),
).select_from(_OPEN)


async def open_holds(conn: AsyncConnection) -> tuple[int, float]:
    """How many holds are open, and for how many seconds the oldest has been."""
    count, oldest_s = (await conn.execute(_HOLDS)).one()
    return count, float(oldest_s)
