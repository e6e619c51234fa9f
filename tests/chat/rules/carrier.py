"""Carries out the moves of the rules as the marketplace would, for tests of the rules alone."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from chat_svc.orchestrator import Exchange, Move, Round, Situation, ToolCall, ToolResult
from chat_svc.planner import Candidate
from chat_svc.rules import Rules
from chat_svc.tools import TOOLS, InvokeAgent, NegotiatePrice

MOST_MOVES = 3
"""Negotiate, invoke, answer."""

Reply = Callable[[ToolCall], dict[str, Any]]
"""What the tools say to a call, without the ids."""


@dataclass
class Turn:
    """A turn that was carried out: each move, and what the tools said."""

    moves: list[Move] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)

    @property
    def answer(self) -> str:
        return self.moves[-1].text

    @property
    def calls(self) -> list[ToolCall]:
        return [call for move in self.moves for call in move.calls]

    def inputs(self, name: str) -> list[dict[str, Any]]:
        return [dict(call.input) for call in self.calls if call.name == name]

    def exchange(self, said: str) -> Exchange:
        return Exchange(said, self.answer, tuple(self.rounds), "task", self.moves[-1].result)


def situation(
    said: str,
    agents: Sequence[Candidate],
    budget: str | Decimal = "1",
    history: Sequence[Exchange] = (),
) -> Situation:
    amount = Decimal(budget)
    return Situation(
        turn_id="turn",
        task_id="task",
        said=said,
        budget=amount,
        left=amount,
        agents=agents,
        history=history,
    )


def check(call: ToolCall) -> InvokeAgent | NegotiatePrice:
    """The call as the tools read it; what they would refuse fails the test."""
    text = json.dumps(call.input)
    checked = TOOLS[call.name].model_validate_json(text)
    assert isinstance(checked, InvokeAgent | NegotiatePrice)
    return checked


def references(value: Any) -> list[str]:
    """The `$result` references in a payload."""
    if isinstance(value, dict):
        if set(value) == {"$result"}:
            return [value["$result"]]
        return [one for item in value.values() for one in references(item)]
    if isinstance(value, list):
        return [one for item in value for one in references(item)]
    return []


async def carry_out(start: Situation, reply: Reply) -> Turn:
    """Asks for moves until the answer; each move must come again for the same situation."""
    turn = Turn()
    now = start

    async def say(text: str) -> None:
        turn.said.append(text)

    rules = Rules()
    while not turn.moves or turn.moves[-1].calls:
        assert len(turn.moves) < MOST_MOVES, "asks for ever"
        move = await rules.move(now, say)
        assert json.loads(json.dumps(move.raw)) == move.raw
        turn.moves.append(move)
        results = []
        for call in move.calls:
            said = reply(call)
            content = json.dumps({"call_id": call.id, **said})
            error = said.get("status") == "failed"
            results.append(ToolResult(call.id, content, error))
        if move.calls:
            turn.rounds.append(Round(move.text, move.calls, tuple(results), move.raw))
        now = replace(now, rounds=tuple(turn.rounds))
    return turn


def done(agent: str, result: str, **more: Any) -> dict[str, Any]:
    """What invoke_agent says when the work is done."""
    return {"agent": agent, "status": "completed", "result": result, "troubles": [], **more}


def failed(agent: str, error: str, **more: Any) -> dict[str, Any]:
    """What invoke_agent says when nobody could do it."""
    return {
        "agent": agent,
        "status": "failed",
        "result": None,
        "error": error,
        "reason": "agent_error",
        "troubles": [],
        **more,
    }
