"""SQL of places: an agent that takes so many calls at once gets no more, from all replicas."""

from sqlalchemy import BigInteger, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from task_svc.tables import steps


async def in_hand(conn: AsyncConnection, agent_id: str) -> int:
    """How many steps an agent has in hand; whoever asks next waits for this transaction's end."""
    key = func.hashtextextended(literal(f"places:{agent_id}"), cast(0, BigInteger))
    await conn.execute(select(func.pg_advisory_xact_lock(key)))
    # By the index of open steps, of which there are few.
    query = select(func.count()).where(
        steps.c.status == "in_progress", steps.c.waits_for == 0, steps.c.agent_id == agent_id
    )
    return int((await conn.execute(query)).scalar_one())
