"""Whether a tool can be used as an orchestrator asks for it, without I/O.

What is wrong with a call becomes its result, which the orchestrator can mend; a call that is
right becomes work for an agent or a question to another service.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter, ValidationError

from chat_svc.buying import gated
from chat_svc.domain import (
    CHARGE_ID,
    MAX_AGENTS_PER_STEP,
    Choice,
    StoredCall,
    Work,
    readable,
    references,
)
from chat_svc.orchestrator import ToolCall
from chat_svc.planner import Candidate
from chat_svc.tools import TOOLS, InvokeAgent, Tool
from contracts.base import Id

MOST_CALLS = 16
"""Tool calls that one move may have."""
MOST_ERRORS = 3
NO_INPUT = "The input has to be a JSON object, whole, with numbers that a double can keep."
LONGEST_WORD = 60
_ID = TypeAdapter(Id)


class Unusable(Exception):
    """The ids of a move's calls are no ids of their own, so that no result could be given back."""


class _Wrong(Exception):
    """What is wrong with a call, for the orchestrator."""


def check(
    calls: Sequence[ToolCall],
    round_: int,
    before: Sequence[StoredCall],
    agents: Sequence[Candidate],
    said: str,
) -> list[StoredCall]:
    """The calls of a move as they are to be stored, in order.

    Args:
        calls: as the orchestrator made them.
        round_: the number of the move.
        before: calls of the turn's earlier moves.
        agents: the marketplace.
        said: what the person typed; nothing is bought that it speaks against.

    Raises:
        Unusable: an id is used twice, is none, or is that of the charge.
    """
    _check_ids(calls, before)
    stored = [_checked(call, place, round_, before, agents) for place, call in enumerate(calls)]
    stored, refused = gated(stored, before, agents, said)
    stored = [_refused(call, refused[call.id]) if call.id in refused else call for call in stored]
    return _without_broken_references(stored, before)


def failure(message: str) -> str:
    """The result of a call that came to nothing, before any agent had it."""
    return json.dumps({"status": "failed", "error": message}, ensure_ascii=False)


def _check_ids(calls: Sequence[ToolCall], before: Sequence[StoredCall]) -> None:
    known = {CHARGE_ID, *(call.id for call in before)}
    for call in calls:
        try:
            _ID.validate_python(call.id)
        except ValidationError:
            raise Unusable from None
        if call.id in known:
            raise Unusable
        known.add(call.id)


def _checked(
    call: ToolCall,
    place: int,
    round_: int,
    before: Sequence[StoredCall],
    agents: Sequence[Candidate],
) -> StoredCall:
    input_ = _object(call.input)
    stored = StoredCall(call.id, round_, readable(call.name[:100]), input_ or {})
    if input_ is None:
        return _refused(stored, NO_INPUT)
    if place >= MOST_CALLS:
        return _refused(stored, f"At most {MOST_CALLS} tools can be used at once.")
    try:
        tool = _tool(stored)
        work = _work(tool, before, agents) if isinstance(tool, InvokeAgent) else None
    except _Wrong as wrong:
        return _refused(stored, str(wrong))
    return replace(stored, work=work)


def _object(input_: Any) -> dict[str, Any] | None:
    """A tool's input as it can be stored and sent on; None when it is no JSON object."""
    if not isinstance(input_, Mapping):
        return None
    found: dict[str, Any] = _readable(input_)
    try:
        json.dumps(found, allow_nan=False)
    except ValueError:
        return None
    return found


def _readable(value: Any) -> Any:
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, Mapping):
        return {readable(str(key)): _readable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(item) for item in value]
    return value


def _refused(call: StoredCall, why: str) -> StoredCall:
    return replace(call, work=None, content=failure(why), error=True)


def _tool(call: StoredCall) -> Tool:
    model = TOOLS.get(call.tool)
    if model is None:
        raise _Wrong(f"There is no tool {_word(call.tool)}; there are {', '.join(TOOLS)}.")
    try:
        return model.model_validate(dict(call.input))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        said = [
            f"{'.'.join(map(str, one['loc'])) or 'input'}: {one['msg']}"
            for one in found[:MOST_ERRORS]
        ]
        raise _Wrong("; ".join(said)) from None


def _work(tool: InvokeAgent, before: Sequence[StoredCall], agents: Sequence[Candidate]) -> Work:
    by_id = {agent.id: agent for agent in agents}
    agreed = _agreed_with(tool, before)
    if agreed and tool.agent_id not in (None, agreed):
        raise _Wrong(f"The price of {tool.negotiation_id} was agreed on with {agreed}.")
    first = _named(tool.agent_id or agreed, by_id) or _best(str(tool.skill), agents)
    skill = tool.skill or (first.skills[0] if first.skills else "")
    choices = {first.id: _choice(first, tool.payload)}
    for other in tool.alternatives:
        if agent := _named(other.agent_id, by_id):
            choices.setdefault(agent.id, _choice(agent, other.payload))
    if "alternatives" not in tool.model_fields_set:
        wanted = {tool.skill} if tool.skill else set(first.skills)
        for agent in _others(wanted, tool.payload, agents):
            choices.setdefault(agent.id, _choice(agent, tool.payload))
    chosen = list(choices.values())[:MAX_AGENTS_PER_STEP]
    return Work(
        skill=skill,
        choices=chosen,
        depends_on=_needs([choice.payload for choice in chosen]),
        max_price=tool.max_price,
        negotiation_id=tool.negotiation_id,
    )


def _choice(agent: Candidate, payload: dict[str, Any]) -> Choice:
    return Choice(agent_id=agent.id, agent_name=agent.name, payload=payload)


def _named(id_: str | None, by_id: dict[str, Candidate]) -> Candidate | None:
    if id_ is None:
        return None
    if id_ not in by_id:
        raise _Wrong(f"There is no agent {_word(id_)}; list_agents shows those that there are.")
    return by_id[id_]


def _best(skill: str, agents: Sequence[Candidate]) -> Candidate:
    """The best agent with a skill, of those that answer."""
    able = [agent for agent in agents if _has(agent, {skill})]
    if not able:
        raise _Wrong(f"No agent has the skill {_word(skill)}; list_agents shows what they can do.")
    return min(able, key=lambda one: (not one.available, *_rank(one)))


def _rank(agent: Candidate) -> tuple[float, Decimal, Decimal, str]:
    return -agent.score, agent.dynamic_price, -agent.rating, agent.id


def _others(
    skills: set[str], payload: dict[str, Any], agents: Sequence[Candidate]
) -> list[Candidate]:
    """Agents that may take over with the same payload, best first."""
    able = [
        agent
        for agent in agents
        if agent.available and skills and _has(agent, skills) and _takes(agent, payload)
    ]
    return sorted(able, key=_rank)


def _has(agent: Candidate, skills: set[str]) -> bool:
    return {skill.casefold() for skill in skills} <= {skill.casefold() for skill in agent.skills}


def _takes(agent: Candidate, payload: dict[str, Any]) -> bool:
    required = (agent.input_schema or {}).get("required", [])
    return isinstance(required, list) and all(name in payload for name in required)


def _agreed_with(tool: InvokeAgent, before: Sequence[StoredCall]) -> str | None:
    """The agent that a negotiation of this turn came to a price with."""
    if tool.negotiation_id is None:
        return None
    for call in before:
        if call.tool == "negotiate_price" and call.content and not call.error:
            found = json.loads(call.content)
            if found["negotiation_id"] == tool.negotiation_id and found["agreed"]:
                return str(found["agent_id"])
    raise _Wrong(f"No price was agreed on in a negotiation {_word(tool.negotiation_id)}.")


def _needs(payloads: Iterable[dict[str, Any]]) -> list[str]:
    needs = [found for payload in payloads for found in references(payload)]
    for found in needs:
        if not isinstance(found, str):
            raise _Wrong("$result takes the id of an invoke_agent call, as a text.")
    return list(dict.fromkeys(needs))


def _without_broken_references(
    stored: list[StoredCall], before: Sequence[StoredCall]
) -> list[StoredCall]:
    """The calls, where those whose `$result` can never come are refused."""
    done = {call.id for call in before if call.work and call.work.finished}
    known = {call.id: call for call in (*before, *stored)}
    while True:
        ready = set(done)
        while more := [
            call.id
            for call in stored
            if call.work and call.id not in ready and ready.issuperset(call.work.depends_on)
        ]:
            ready.update(more)
        broken = {call.id for call in stored if call.work and call.id not in ready}
        if not broken:
            return stored
        stored = [
            _refused(call, _broken(call, known, ready)) if call.id in broken else call
            for call in stored
        ]


def _broken(call: StoredCall, known: dict[str, StoredCall], ready: set[str]) -> str:
    needs = call.work.depends_on if call.work else []
    missing = next(id_ for id_ in needs if id_ not in ready)
    if missing not in known:
        return f"$result: there is no call {_word(missing)}."
    if known[missing].work is None:
        return f"$result: call {_word(missing)} has no agent's result."
    if known[missing].round < call.round:
        return f"$result: call {_word(missing)} failed and has no result."
    return f"$result: call {_word(missing)} can never be done before this one."


def _word(text: str) -> str:
    return f"“{text[:LONGEST_WORD]}”"
