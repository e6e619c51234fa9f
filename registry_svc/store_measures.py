"""SQL of what the registry measures."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from registry_svc.tables import agents

_AGENTS = select(agents.c.available, func.count().label("agents")).group_by(agents.c.available)


async def count_available(conn: AsyncConnection) -> tuple[int, int]:
    """How many agents answer their probes, and how many do not."""
    found = {row.available: row.agents for row in await conn.execute(_AGENTS)}
    return found.get(True, 0), found.get(False, 0)
