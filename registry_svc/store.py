"""All SQL of the registry. Nothing here commits: the chassis does, once per message."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    Interval,
    RowMapping,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.schema import waiting_table
from chassis.db.statements import Statement
from registry_svc import store_probes, store_words
from registry_svc.domain import Agent
from registry_svc.tables import agents, metadata
from registry_svc.tally import Tally
from registry_svc.words import name_keys

COLUMNS = [agents.c[column.name] for column in fields(Agent)]
ON_SALE = agents.c.state == literal_column("'active'")
"""Written into the statement, so that the indexes of what is on the market are used."""
FIRST_READ = timedelta(hours=1)
"""How long after it is listed an agent's own word is read again."""


def _agent(row: RowMapping | None) -> Agent | None:
    return Agent(**row) if row else None


async def page(
    conn: AsyncConnection, after: int, limit: int, *, on_sale: bool = True
) -> list[Agent]:
    """Agents registered after number `after`, in order, one more than `limit` if there is one."""
    query = select(*COLUMNS).where(agents.c.seq > after).order_by(agents.c.seq).limit(limit + 1)
    if on_sale:
        query = query.where(ON_SALE)
    return [Agent(**row) for row in (await conn.execute(query)).mappings()]


async def find(conn: AsyncConnection, agent_id: str, *, lock: bool = False) -> Agent | None:
    """An agent by its id, locked until the end of the transaction when asked."""
    return await _find(lock=lock).one_or_none(conn, {"agent": agent_id})


@cache
def _find(*, lock: bool) -> Statement[Agent]:
    query = select(*COLUMNS).where(agents.c.id == bindparam("agent"))
    return Statement(query.with_for_update() if lock else query, Agent)


async def known_ids(conn: AsyncConnection, ids: Sequence[str]) -> set[str]:
    """Which of these agents are listed."""
    query = select(agents.c.id).where(agents.c.id.in_(ids))
    return set((await conn.execute(query)).scalars())


async def insert_new(conn: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> list[Agent]:
    """List agents; those whose id is taken are left alone and not among the result."""
    if not rows:
        return []
    more = {"next_read_at": func.now() + literal(FIRST_READ, Interval)}
    rows = [{**row, **more, "name_keys": name_keys(row["id"], row["name"])} for row in rows]
    stored = await conn.execute(
        insert(agents).values(rows).on_conflict_do_nothing().returning(*COLUMNS)
    )
    fresh = [Agent(**row) for row in stored.mappings()]
    await store_probes.plan(conn, [agent.id for agent in fresh])
    for agent in fresh:
        await store_words.put(conn, agent)
    return fresh


async def change(conn: AsyncConnection, agent_id: str, values: Mapping[str, Any]) -> Agent:
    """Change columns of an agent's listing; at another URL it has to prove itself anew."""
    anew: dict[str, Any] = {}
    if "endpoint_url" in values:
        anew = {"failing_since": func.now(), "info_known": False, "silent": 0}
        await store_probes.plan(conn, [agent_id])
    if "name" in values:
        anew["name_keys"] = name_keys(agent_id, values["name"])
    query = update(agents).where(agents.c.id == agent_id).values({**anew, **values})
    agent = Agent(**(await conn.execute(query.returning(*COLUMNS))).mappings().one())
    await store_words.put(conn, agent)
    if agent.state == "retired":
        await store_probes.forget(conn, agent_id)
    return agent


async def move_seed(conn: AsyncConnection, agent_id: str, url: str) -> Agent | None:
    """Follow the environment to another URL; None when it gives the same one as before."""
    query = (
        update(agents)
        .where(agents.c.id == agent_id, agents.c.seed_url != url)
        .values(
            seed_url=url,
            endpoint_url=url,
            failing_since=func.now(),
            info_known=False,
        )
    )
    moved = _agent((await conn.execute(query.returning(*COLUMNS))).mappings().one_or_none())
    if moved:
        await store_probes.plan(conn, [agent_id])
    return moved


async def declare_billing(
    conn: AsyncConnection, agent_id: str, billing: Mapping[str, Any]
) -> Agent | None:
    """Say how an agent of the first start bills; None when that is said, or it is no such agent."""
    query = (
        update(agents)
        .where(agents.c.id == agent_id, agents.c.seed_url.is_not(None), agents.c.billing.is_(None))
        .values(billing=billing)
    )
    return _agent((await conn.execute(query.returning(*COLUMNS))).mappings().one_or_none())


class Standing(NamedTuple):
    """What an agent's price is made of: what it asks for, and how busy it is."""

    base_price: Decimal
    active: int


_STANDING = (agents.c.base_price, agents.c.active)
# Built once, since it runs twice for every step of every task.
_BY: dict[str, BindParameter[Any]] = {f.name: bindparam(f"by_{f.name}") for f in fields(Tally)}
_SILENT = case((_BY["jobs_completed"] > 0, 0), else_=agents.c.silent + _BY["silent"])
_SILENT_AT = case((_BY["silent"] > 0, func.now()), else_=agents.c.silent_at)
_ADD = Statement(
    update(agents)
    .where(agents.c.id == bindparam("agent"))
    .values(
        {name: agents.c[name] + by for name, by in _BY.items()}
        | {"silent": _SILENT, "silent_at": _SILENT_AT}
    )
    .returning(*_STANDING),
    Standing,
)


async def add(conn: AsyncConnection, agent_id: str, tally: Tally) -> Standing | None:
    """Add to an agent's counters.

    Returns:
        What it is now; None when there is no such agent.
    """
    by = {f"by_{name}": amount for name, amount in asdict(tally).items()}
    return await _ADD.one_or_none(conn, {"agent": agent_id, **by})


async def put_right(conn: AsyncConnection, was: Agent, active: int) -> Standing | None:
    """Say how many steps an agent has in hand, unless an event was counted since it was read.

    Returns:
        As `add` does.
    """
    counted = ("active", "jobs_completed", "faults", "busy")
    query = (
        update(agents)
        .where(agents.c.id == was.id, *(agents.c[name] == getattr(was, name) for name in counted))
        .values(active=active)
        .returning(*_STANDING)
    )
    found = (await conn.execute(query)).one_or_none()
    return Standing(*found) if found else None


async def waiting(conn: AsyncConnection) -> int:
    """How many messages wait to be handled again."""
    found = await conn.execute(select(func.count()).select_from(waiting_table(metadata)))
    return int(found.scalar_one())
