"""SQL of who owns agents, as the registry tells. Nothing here commits."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, case, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.intervals import seconds
from payment_svc.tables import agent_owners, earnings

Found = Row[*tuple[Any, ...]]
SLACK = timedelta(minutes=1)
"""How far the registry's clock and the database's may be apart."""
LATELY_S = 3_600
"""For so long after a word of the registry, payments that it overtook are looked for."""
_KNOWN = agent_owners.c


async def told(conn: AsyncConnection, agent_id: str, owner: str | None, told_at: datetime) -> None:
    """Keep whose an agent is, whatever order the words come in."""
    fresh = upsert(agent_owners).values(
        agent_id=agent_id, owner=owner, told_at=told_at, since=told_at
    )
    new = fresh.excluded
    newer = new.told_at > _KNOWN.told_at
    same = _KNOWN.owner.is_not_distinct_from(new.owner)
    await conn.execute(
        fresh.on_conflict_do_update(
            index_elements=[_KNOWN.agent_id],
            set_={
                "owner": case((newer, new.owner), else_=_KNOWN.owner),
                "since": case(
                    (same, func.least(_KNOWN.since, new.since)),
                    (newer, new.since),
                    else_=_KNOWN.since,
                ),
                "told_at": func.greatest(_KNOWN.told_at, new.told_at),
            },
        )
    )


async def attribute(conn: AsyncConnection) -> int:
    """Give payments that came before the word of whose agent it is to its owner; how many.

    What was paid to an id before anybody listed an agent under it is nobody's.
    """
    done = await conn.execute(
        update(earnings)
        .where(
            earnings.c.owner.is_(None),
            earnings.c.agent_id == _KNOWN.agent_id,
            _KNOWN.owner.is_not(None),
            _KNOWN.told_at > func.now() - seconds(LATELY_S),
            earnings.c.earned_at >= _KNOWN.since - SLACK,
        )
        .values(owner=_KNOWN.owner)
    )
    return done.rowcount


async def owns(conn: AsyncConnection, account: str, agent_id: str) -> bool:
    """Whether an agent is an account's."""
    query = select(_KNOWN.agent_id).where(_KNOWN.agent_id == agent_id, _KNOWN.owner == account)
    return (await conn.execute(query)).first() is not None


async def note_fault(
    conn: AsyncConnection, step_id: str, task_id: str, agent_id: str, payer: str
) -> None:
    """Count a step that came to nothing by the fault of an agent that is somebody's; once."""
    given = {"step_id": step_id, "task_id": task_id, "payer": payer, "fault": True}
    whose = select(
        *(literal(value, earnings.c[name].type) for name, value in given.items()),
        _KNOWN.agent_id,
        _KNOWN.owner,
    ).where(_KNOWN.agent_id == agent_id, _KNOWN.owner.is_not(None))
    await conn.execute(
        upsert(earnings)
        .from_select([*given, "agent_id", "owner"], whose)
        .on_conflict_do_update(index_elements=[earnings.c.step_id], set_={"fault": True})
    )


async def source_of(conn: AsyncConnection, step_id: str) -> str | None:
    """The seller to whom a step's pay was settled, locked; None while it is with its agent."""
    query = select(earnings.c.owner, earnings.c.settled_at).where(earnings.c.step_id == step_id)
    found = (await conn.execute(query.with_for_update())).one_or_none()
    return None if found is None or found.settled_at is None else str(found.owner)
