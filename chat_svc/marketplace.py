"""What the marketplace has for a wish, as the registry lists it now.

Never all of it: what fits, what is named, and enough of the rest to say what there is.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from chassis.bus.calls import Bus
from chat_svc.planner import Candidate, terms
from contracts.envelope import Envelope
from contracts.errors import Unavailable
from contracts.listings import CHOOSE_AGENTS, MOST_CHOSEN, MOST_WORDS, ChooseAgents
from contracts.registry import LIST_AGENTS, AgentView, ListAgents

MAX_AGENTS = 2_000
SAMPLE = 100
"""Of the oldest listings, how many an orchestrator knows whatever is wanted."""
MOST_NAMED = 100
LONGEST_WORD = 100
MOST_SHOWN = 100
MOST_BYTES = 24_000
"""Of all that are shown, as JSON: a result of a tool that is longer loses its middle."""
LONGEST_DESCRIPTION = 500
LARGEST_CROWD = 20
"""Among how many at the most the room is shared out evenly; of more, not all may be shown."""


@dataclass(frozen=True, slots=True)
class Offered:
    """An agent of the marketplace, and its score among those that were asked for."""

    agent: AgentView
    score: float = 0.0

    def candidate(self) -> Candidate:
        """The agent as an orchestrator sees it."""
        return candidate(self.agent, self.score)


async def fitting(
    bus: Bus, here: Envelope, texts: Iterable[str], ids: Iterable[str] = ()
) -> list[Offered]:
    """What the marketplace has for texts, and some of what else there is, as it was registered.

    Args:
        bus: to ask the registry by.
        here: the cause.
        texts: what is wanted, the most important first.
        ids: agents that are named.

    Raises:
        Refusal: the registry cannot be asked.
    """
    words = list(dict.fromkeys(word for text in texts for word in terms(text)))
    wanted = ChooseAgents(
        words=[word[:LONGEST_WORD] for word in words[:MOST_WORDS]],
        agent_ids=list(dict.fromkeys(ids))[:MOST_NAMED],
        sample=SAMPLE,
        away=True,
        limit=MOST_CHOSEN,
    )
    return await _chosen(bus, here, wanted)


async def missing(
    bus: Bus,
    here: Envelope,
    known: Sequence[Offered],
    ids: Iterable[str],
    skills: Iterable[str],
    alike: Iterable[str] = (),
) -> list[Offered]:
    """Agents that are named or may be needed, and are not known yet.

    Args:
        bus: to ask the registry by.
        here: the cause.
        known: who is.
        ids: who is named.
        skills: all who have one of these are wanted.
        alike: of those named, for whom others with the same skill may be needed.

    Raises:
        Refusal: the registry cannot be asked.
    """
    there = {one.agent.id for one in known}
    absent = [id_ for id_ in dict.fromkeys(ids) if id_ not in there][:MOST_NAMED]
    found: dict[str, Offered] = {}
    if absent:
        wanted = ChooseAgents(agent_ids=absent, away=True, limit=MOST_NAMED)
        found |= {one.agent.id: one for one in await _chosen(bus, here, wanted)}
    named = {one.agent.id: one.agent for one in (*known, *found.values())}
    like = [named[id_].skills[:1] for id_ in alike if id_ in named]
    for skill in dict.fromkeys([*skills, *chain.from_iterable(like)]):
        wanted = ChooseAgents(skill=skill[:LONGEST_WORD], away=True, limit=MOST_SHOWN)
        found |= {one.agent.id: one for one in await _chosen(bus, here, wanted)}
    return [one for id_, one in found.items() if id_ not in there]


async def with_skill(bus: Bus, here: Envelope, skill: str) -> list[AgentView]:
    """Agents with a skill in its very words, best first."""
    wanted = ChooseAgents(skill=skill, away=True, limit=MOST_CHOSEN)
    return [one.agent for one in await _chosen(bus, here, wanted, in_order=False)]


async def _chosen(
    bus: Bus, here: Envelope, wanted: ChooseAgents, *, in_order: bool = True
) -> list[Offered]:
    try:
        found = (await bus.ask(CHOOSE_AGENTS, wanted, here)).candidates
    except Unavailable:
        # A registry of the release before this one knows no choice, and has no more than these.
        return [Offered(agent) for agent in await list_agents(bus, here)]
    if in_order:
        found = sorted(found, key=lambda one: one.seq)
    return [Offered(one.agent, one.standing) for one in found]


async def list_agents(bus: Bus, here: Envelope) -> list[AgentView]:
    """The first agents of the marketplace, in the order they were registered.

    Raises:
        Refusal: the registry cannot be asked.
    """
    agents: list[AgentView] = []
    cursor: str | None = None
    while len(agents) < MAX_AGENTS:
        page = await bus.ask(LIST_AGENTS, ListAgents(limit=500, cursor=cursor), here)
        agents += page.agents
        cursor = page.next_cursor
        if cursor is None:
            break
    return agents


def candidate(agent: AgentView, score: float = 0.0) -> Candidate:
    """An agent as an orchestrator sees it."""
    return Candidate(
        id=agent.id,
        name=agent.name,
        description=agent.description,
        skills=tuple(agent.skills),
        capabilities=tuple(agent.capabilities),
        base_price=agent.base_price,
        dynamic_price=agent.dynamic_price,
        load=agent.load,
        rating=agent.rating,
        available=agent.availability,
        input_schema=agent.input_schema,
        negotiable=agent.negotiable,
        response_ms=agent.avg_response_time,
        score=score,
    )


def shown(agents: list[AgentView], skill: str | None) -> dict[str, Any]:
    """The result of list_agents: those with the skill, or all, amounts as text.

    Where there are more than can be shown (`MOST_SHOWN`, `MOST_BYTES`), those that cannot be called
    now are left out first. Nobody takes the others' room by what he says of himself: who needs more
    than a share of it is shown without his schema, and is left out if that is not enough.
    """
    able = [
        agent
        for agent in agents
        if skill is None or skill.casefold() in (one.casefold() for one in agent.skills)
    ]
    able.sort(key=lambda agent: not agent.availability)
    told: list[dict[str, Any]] = []
    room = MOST_BYTES
    share = MOST_BYTES // max(1, min(len(able), LARGEST_CROWD))
    for agent in able:
        one = _shown(agent)
        if _size(one) > share:
            one["input_schema"] = None
        if _size(one) <= min(share, room) and len(told) < MOST_SHOWN:
            told.append(one)
            room -= _size(one)
    result: dict[str, Any] = {"agents": told}
    if len(able) > len(told):
        result["left_out"] = len(able) - len(told)
    return result


def _shown(agent: AgentView) -> dict[str, Any]:
    return {
        "agent_id": agent.id,
        "agent": agent.name,
        "description": agent.description[:LONGEST_DESCRIPTION],
        "skills": agent.skills,
        "capabilities": agent.capabilities,
        "price": format(agent.dynamic_price, "f"),
        "base_price": format(agent.base_price, "f"),
        "load": agent.load,
        "rating": format(agent.rating, "f"),
        "available": agent.availability,
        "avg_response_time_ms": agent.avg_response_time,
        "negotiable": agent.negotiable,
        "input_schema": agent.input_schema,
    }


def _size(one: dict[str, Any]) -> int:
    return len(json.dumps(one))
