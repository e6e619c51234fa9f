"""SQL of what the service alone knows. Nothing here commits."""

import secrets

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from task_svc.tables import quote_secrets

BYTES = 32


async def of_quotes(conn: AsyncConnection) -> bytes:
    """What quotes are sealed with; of replicas that start at once, one makes it."""
    fresh = insert(quote_secrets).values(id=1, secret=secrets.token_bytes(BYTES))
    await conn.execute(fresh.on_conflict_do_nothing())
    found = await conn.execute(select(quote_secrets.c.secret).where(quote_secrets.c.id == 1))
    return bytes(found.scalar_one())
