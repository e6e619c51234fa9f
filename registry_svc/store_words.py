"""SQL of what agents are found by: copies, kept in the transaction that changes an agent."""

from collections.abc import Mapping
from decimal import Decimal

from sqlalchemy import ARRAY, Text, bindparam, cast, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from registry_svc import words
from registry_svc.domain import Agent
from registry_svc.tables import agent_words, agents

_COPIES = ("available", "base_price", "stars")
_GIVEN = cast(bindparam("given"), ARRAY(Text))
_FORGET = delete(agent_words).where(
    agent_words.c.agent_id == bindparam("agent"), agent_words.c.word != func.all(_GIVEN)
)
_NEW = insert(agent_words).from_select(
    ["agent_id", "word", *_COPIES],
    select(
        bindparam("agent", type_=agent_words.c.agent_id.type),
        func.unnest(_GIVEN),
        *(bindparam(name, type_=agent_words.c[name].type) for name in _COPIES),
    ),
)
_PUT = _NEW.on_conflict_do_update(
    index_elements=["agent_id", "word"],
    set_={name: _NEW.excluded[name] for name in _COPIES},
    where=or_(*(agent_words.c[name] != _NEW.excluded[name] for name in _COPIES)),
)


async def put(conn: AsyncConnection, agent: Agent) -> None:
    """Have an agent found by what it says of itself now; not at all when it is retired."""
    said = (
        []
        if agent.state == "retired"
        else words.of_agent(
            agent.id, agent.name, agent.skills, agent.capabilities, agent.description
        )
    )
    await conn.execute(_FORGET, {"agent": agent.id, "given": said})
    if said:
        await conn.execute(_PUT, {"agent": agent.id, "given": said, **_copies(agent)})


async def copy(conn: AsyncConnection, agent: Agent) -> None:
    """Bring the copies of an agent's columns up to date; it says of itself what it did."""
    query = update(agent_words).where(agent_words.c.agent_id == agent.id)
    await conn.execute(query.values(_copies(agent)))


def _copies(agent: Agent) -> dict[str, object]:
    return {
        "available": agent.on_sale and agent.available,
        "base_price": agent.base_price,
        "stars": agent.stars,
    }


async def unfound(conn: AsyncConnection, at_most: int) -> list[str]:
    """Ids of agents that nothing finds yet: from before this release, or of one beside it."""
    has_words = select(agent_words.c.agent_id).where(agent_words.c.agent_id == agents.c.id)
    query = select(agents.c.id).where(agents.c.state != "retired", ~has_words.exists())
    return list((await conn.execute(query.limit(at_most))).scalars())


async def set_stars(conn: AsyncConnection, stars: Mapping[str, Decimal]) -> None:
    """Note ratings, for those who look for good ones."""
    for table, id_ in ((agents, agents.c.id), (agent_words, agent_words.c.agent_id)):
        for agent_id, rating in stars.items():
            await conn.execute(update(table).where(id_ == agent_id).values(stars=rating))
