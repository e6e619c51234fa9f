"""The agents that there are, as the registry lists them now."""

import json
from typing import Any

from chassis.bus.calls import Bus
from chat_svc.planner import Candidate
from contracts.envelope import Envelope
from contracts.registry import LIST_AGENTS, AgentView, ListAgents

MAX_AGENTS = 2_000
MOST_SHOWN = 100
MOST_BYTES = 24_000
"""Of all that are shown, as JSON: a result of a tool that is longer loses its middle."""
LONGEST_DESCRIPTION = 500
LARGEST_CROWD = 20
"""Among how many at the most the room is shared out evenly; of more, not all may be shown."""


async def list_agents(bus: Bus, here: Envelope) -> list[AgentView]:
    """All agents of the marketplace, in the order they were registered.

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


def candidate(agent: AgentView) -> Candidate:
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
