"""SQL of who has which id and name."""

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import ARRAY, Interval, Text, cast, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from registry_svc.domain import Agent
from registry_svc.store import COLUMNS
from registry_svc.tables import agents, closed_accounts


async def name_taken(conn: AsyncConnection, keys: Collection[str], owner: str | None) -> str | None:
    """The id of somebody else's agent that has one of these names, as its name or its id.

    Whoever asks for one of them meanwhile waits until the end of the transaction.
    """
    for key in sorted(keys):
        await conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))
    query = (
        select(agents.c.id)
        .where(
            agents.c.name_keys.op("&&")(cast(list(keys), ARRAY(Text))),
            agents.c.owner.is_distinct_from(owner),
        )
        .limit(1)
    )
    return (await conn.execute(query)).scalar_one_or_none()


async def read_soon(conn: AsyncConnection, agent_id: str) -> None:
    """Have an agent's own word read at the next occasion."""
    query = update(agents).where(agents.c.id == agent_id)
    await conn.execute(query.values(next_read_at=func.now()))


async def imported_from(conn: AsyncConnection, owner: str, source_url: str) -> list[Agent]:
    """What an owner has from a place already, whether it is on the market or not."""
    query = (
        select(*COLUMNS)
        .where(
            agents.c.owner == owner,
            agents.c.state != "retired",
            agents.c.source_url == source_url,
        )
        .order_by(agents.c.seq)
        .with_for_update()
    )
    return [Agent(**row) for row in (await conn.execute(query)).mappings()]


async def claim_unread(conn: AsyncConnection, every: timedelta, at_most: int) -> list[Agent]:
    """Take agents whose own word is due to be read, so that no other replica does in this round.

    The next time is spread by a fifth of `every`, so that those that were listed together part.
    """
    due = (
        select(agents.c.id)
        .where(agents.c.next_read_at <= func.now())
        .order_by(agents.c.next_read_at)
        .limit(at_most)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    wait = literal(every, Interval) * (0.9 + 0.2 * func.random())
    query = (
        update(agents)
        .where(agents.c.id == due.c.id)
        .values(next_read_at=func.now() + wait)
        .returning(*COLUMNS)
    )
    return [Agent(**row) for row in (await conn.execute(query)).mappings()]


async def close(conn: AsyncConnection, account: str, reason: str) -> None:
    """Keep that an account lists nothing more; the first reason stays."""
    await _alone(conn, account)
    row = {"account": account, "reason": reason}
    await conn.execute(insert(closed_accounts).values(row).on_conflict_do_nothing())


async def is_closed(conn: AsyncConnection, account: str) -> bool:
    """Whether an account lists nothing more; that does not change until the transaction's end."""
    await _alone(conn, account)
    query = select(closed_accounts.c.account).where(closed_accounts.c.account == account)
    return (await conn.execute(query)).scalar_one_or_none() is not None


async def _alone(conn: AsyncConnection, account: str) -> None:
    key = func.hashtextextended(f"listings of {account}", 0)
    await conn.execute(select(func.pg_advisory_xact_lock(key)))


async def open_of(conn: AsyncConnection, owner: str, most: int) -> list[Agent]:
    """Some that an owner has and no administrator suspended, locked; without drafts."""
    query = (
        select(*COLUMNS)
        .where(
            agents.c.owner == owner,
            agents.c.state.in_(("active", "suspended")),
            ~agents.c.barred,
        )
        .order_by(agents.c.seq)
        .limit(most)
        .with_for_update()
    )
    return [Agent(**row) for row in (await conn.execute(query)).mappings()]
