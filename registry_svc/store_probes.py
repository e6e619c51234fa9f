"""SQL of probes: whose turn it is, and what was found."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Interval, case, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.registry import Protocol
from registry_svc.domain import Agent
from registry_svc.tables import agent_probes, agents
from registry_svc.vitals import Vitals

SOONEST = timedelta(seconds=0.5)
"""How soon an agent that just failed a probe is probed again."""
PATIENCE = 8
"""An agent that has been failing for a while is probed again after that while divided by this."""


class Due(NamedTuple):
    """What a probe has to know of an agent, and no more: of most there is nothing new."""

    id: str
    endpoint_url: str
    protocol: Protocol
    negotiable: bool
    info_known: bool
    available: bool
    failing_since: datetime | None
    reported_load: int | None

    @property
    def vitals(self) -> Vitals:
        """What probes know of it."""
        return Vitals(self.available, self.failing_since is not None, self.reported_load)


_DUE = [agents.c[name] for name in Due._fields]


async def plan(conn: AsyncConnection, ids: Sequence[str]) -> None:
    """Have agents probed as soon as may be."""
    if not ids:
        return
    new = insert(agent_probes).values([{"agent_id": id_} for id_ in ids])
    soon = new.on_conflict_do_update(index_elements=["agent_id"], set_={"due_at": func.now()})
    await conn.execute(soon)


async def hurry(conn: AsyncConnection, ids: Sequence[str]) -> None:
    """Have agents that are probed anyway probed now."""
    due = agent_probes.c.agent_id.in_(ids) & (agent_probes.c.due_at > func.now())
    await conn.execute(update(agent_probes).where(due).values(due_at=func.now()))


async def count(conn: AsyncConnection) -> int:
    """How many agents are probed."""
    return int((await conn.execute(select(func.count()).select_from(agent_probes))).scalar_one())


async def forget(conn: AsyncConnection, agent_id: str) -> None:
    """Have an agent probed no more."""
    await conn.execute(delete(agent_probes).where(agent_probes.c.agent_id == agent_id))


async def plan_missing(conn: AsyncConnection) -> None:
    """Have those probed that a release beside this one listed."""
    known = select(agent_probes.c.agent_id).where(agent_probes.c.agent_id == agents.c.id)
    query = select(agents.c.id, agents.c.next_probe_at).where(
        agents.c.state != "retired", ~known.exists()
    )
    new = insert(agent_probes).from_select(["agent_id", "due_at"], query)
    await conn.execute(new.on_conflict_do_nothing())


async def claim_due(conn: AsyncConnection, every: timedelta, at_most: int) -> list[Due]:
    """Take agents whose probe is due, so that no other replica probes them in this round.

    An agent that answers is due again after `every`. One that fails is due sooner at first, and
    ever later the longer it fails, but never later than after `every`.
    """
    due = (
        select(agent_probes.c.agent_id)
        .where(agent_probes.c.due_at <= func.now())
        .order_by(agent_probes.c.due_at)
        .limit(at_most)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    usual = literal(every, Interval)
    failing_for = func.now() - agents.c.failing_since
    wait = case(
        (agents.c.failing_since.is_(None), usual),
        else_=func.least(func.greatest(failing_for / PATIENCE, literal(SOONEST, Interval)), usual),
    )
    query = (
        update(agent_probes)
        .where(agent_probes.c.agent_id == due.c.agent_id, agents.c.id == due.c.agent_id)
        .values(due_at=func.now() + wait)
        .returning(*_DUE)
    )
    return [Due(*row) for row in await conn.execute(query)]


async def set_probed(
    conn: AsyncConnection,
    agent_id: str,
    vitals: Vitals,
    info: Mapping[str, Any],
    again: timedelta,
) -> Agent:
    """Store what a probe found.

    Args:
        conn: in whose transaction.
        agent_id: whom.
        vitals: what probes know of it now.
        info: the columns that its /info gave, if it was heard.
        again: after how long it is to be probed again.
    """
    values = {
        "available": vitals.available,
        "reported_load": vitals.reported_load,
        "failing_since": (
            func.coalesce(agents.c.failing_since, func.now()) if vitals.failing else None
        ),
        **info,
    }
    later = func.now() + literal(again, Interval)
    mine = agent_probes.c.agent_id == agent_id
    await conn.execute(update(agent_probes).where(mine).values(due_at=later))
    query = update(agents).where(agents.c.id == agent_id).values(values)
    columns = [agents.c[name] for name in Agent.__dataclass_fields__]
    return Agent(**(await conn.execute(query.returning(*columns))).mappings().one())
