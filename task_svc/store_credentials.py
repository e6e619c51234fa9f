"""SQL of agents' credentials, which are kept encrypted. Nothing here commits."""

from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from task_svc.tables import agent_credentials

_KEPT = (agent_credentials.c.origin, agent_credentials.c.header, agent_credentials.c.sealed)


class Kept(NamedTuple):
    """What is kept for an agent; the value is sealed."""

    origin: str
    header: str
    sealed: bytes


async def find(conn: AsyncConnection, agent_id: str) -> Kept | None:
    """What is kept for an agent, if anything is."""
    query = select(*_KEPT).where(agent_credentials.c.agent_id == agent_id)
    found = (await conn.execute(query)).one_or_none()
    return Kept(*found) if found else None


async def keep(
    conn: AsyncConnection, agent_id: str, origin: str, header: str, sealed: bytes
) -> None:
    """Keep it in the place of what was kept."""
    values = {"origin": origin, "header": header, "sealed": sealed}
    await conn.execute(
        upsert(agent_credentials)
        .values(agent_id=agent_id, **values)
        .on_conflict_do_update(index_elements=["agent_id"], set_=values)
    )


async def drop(conn: AsyncConnection, agent_id: str) -> None:
    """Keep none."""
    await conn.execute(delete(agent_credentials).where(agent_credentials.c.agent_id == agent_id))
