"""Decides the moves of a turn: whom to call, and what to say in the end."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from chassis.bus import MAX_MESSAGE_BYTES
from chat_svc.orchestrator import Move, Say, Situation, ToolCall
from chat_svc.planner import RESULT_KEY, Candidate, Plan, PlannedStep, Text, payload_for, plan
from chat_svc.rules.answer import answer

MAX_STAND_INS = 2
"""Agents that stand by for a call, for when the first one is busy or fails."""

_MOST_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
TOO_LONG = "Your message is too long for all these steps: please ask for less at once."
STOPPED = "I had to stop before anybody was called: nothing was charged."


class Remembered(BaseModel):
    """What a move leaves for the next one, as the JSON of `Move.raw`."""

    model_config = ConfigDict(frozen=True)

    notes: list[str] = Field(default_factory=list)


class Rules:
    """The orchestrator that plans by rules."""

    name = "rules"

    async def move(self, situation: Situation, say: Say) -> Move:
        """The next move: calls for each step of the plan, then the answer; never a Trouble."""
        # Planning is pure but may take a while on a long text; the event loop must not wait.
        move = await asyncio.to_thread(next_move, situation)
        if not move.calls:
            await say(move.text)
        return move


def next_move(situation: Situation) -> Move:
    """The move after what happened so far; the same for the same situation."""
    if situation.rounds:
        done = situation.rounds[-1]
        return answer(done, Remembered.model_validate(done.raw or {}).notes)
    if situation.last:
        return Move(STOPPED)
    found = plan(situation.said, situation.agents, situation.left, _previous(situation))
    if not found.steps:
        return Move("\n\n".join([found.reply or "", *found.notes]).strip())
    return _invoke(found, situation.agents)


def _previous(situation: Situation) -> str | None:
    results = (exchange.result for exchange in reversed(situation.history))
    return next((result for result in results if result is not None), None)


def _invoke(found: Plan, agents: Sequence[Candidate]) -> Move:
    by_id = {agent.id: agent for agent in agents}
    calls = tuple(_call(index, step, by_id) for index, step in enumerate(found.steps))
    payloads = [call.input["payload"] for call in calls]
    if len(json.dumps(payloads, ensure_ascii=False).encode(errors="replace")) > _MOST_BYTES:
        return Move(TOO_LONG)
    return Move("", calls, Remembered(notes=list(found.notes)).model_dump(mode="json"))


def _call(index: int, step: PlannedStep, by_id: Mapping[str, Candidate]) -> ToolCall:
    text = _with_call_ids(step.text)
    others = [id_ for id_ in step.alternatives if id_ in by_id][:MAX_STAND_INS]
    input_: dict[str, Any] = {
        "agent_id": step.agent_id,
        "skill": step.skill,
        "payload": payload_for(by_id[step.agent_id], step.skill, text, step.options),
        "alternatives": [
            {
                "agent_id": id_,
                "payload": payload_for(by_id[id_], step.skill, text, step.options),
            }
            for id_ in others
        ],
    }
    return ToolCall(_call_id(index), "invoke_agent", input_)


def _call_id(index: int) -> str:
    return f"s{index}"


def _with_call_ids(text: Text) -> Text:
    return text if isinstance(text, str) else {RESULT_KEY: _call_id(text[RESULT_KEY])}
