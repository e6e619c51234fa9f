"""SQL of what calls say to buyers, and of the stars that payers give. Nothing here commits."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.statements import Statement
from registry_svc.rating import Outcome
from registry_svc.tables import task_ratings

Buyer = tuple[str, str]
"""An agent, and the account of who calls it."""


class _Now(NamedTuple):
    agent_id: str
    account: str
    calls: Decimal
    stars: Decimal
    paid: int


# One statement for all buyers of a group, in one order everywhere. The owner is no buyer.
_ADD = Statement(
    text(
        """
    INSERT INTO registry.buyers AS b (agent_id, account, calls, stars, paid)
    SELECT g.agent_id, g.account, g.calls, g.stars, g.paid FROM unnest(
      CAST(:agents AS text[]), CAST(:accounts AS text[]), CAST(:calls AS numeric[]),
      CAST(:stars AS numeric[]), CAST(:paid AS bigint[])
    ) AS g (agent_id, account, calls, stars, paid)
    JOIN registry.agents a ON a.id = g.agent_id AND a.owner IS DISTINCT FROM g.account
    ORDER BY 1, 2
    ON CONFLICT (agent_id, account) DO UPDATE SET
      calls = b.calls + excluded.calls, stars = b.stars + excluded.stars,
      paid = b.paid + excluded.paid
    RETURNING agent_id, account, calls, stars, paid
    """
    ),
    _Now,
)


async def add(conn: AsyncConnection, given: Mapping[Buyer, Outcome]) -> dict[Buyer, Outcome]:
    """Add outcomes to what buyers know of agents.

    Returns:
        What each of them knows now; without owners of the agents, and agents that are not listed.
    """
    if not given:
        return {}
    rows = await _ADD.all(
        conn,
        {
            "agents": [agent for agent, _ in given],
            "accounts": [account for _, account in given],
            "calls": [one.calls for one in given.values()],
            "stars": [one.stars for one in given.values()],
            "paid": [one.paid for one in given.values()],
        },
    )
    return {(row.agent_id, row.account): Outcome(row.calls, row.stars, row.paid) for row in rows}


async def rate(conn: AsyncConnection, task_id: str, account: str, stars: int) -> bool:
    """Keep the stars for a task; False when there are some already."""
    values = {"task_id": task_id, "account": account, "stars": stars}
    done = await conn.execute(insert(task_ratings).values(values).on_conflict_do_nothing())
    return done.rowcount == 1


async def stars_of(conn: AsyncConnection, task_id: str, account: str) -> int | None:
    """The stars that an account gave for a task."""
    query = select(task_ratings.c.stars).where(
        task_ratings.c.task_id == task_id, task_ratings.c.account == account
    )
    return (await conn.execute(query)).scalar_one_or_none()
