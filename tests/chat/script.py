"""An orchestrator that decides as a test writes, move by move, and a person who talks to it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from chassis.bus.envelopes import new_id
from chat_svc.orchestrator import Move, Say, Situation, Tokens, ToolCall
from tests.support.talk import End, Talk

Decide = Callable[[Situation, Say], Awaitable[Move]]
Step = Move | Exception | Decide


def use(id_: str, tool: str, **input_: Any) -> ToolCall:
    return ToolCall(id_, tool, input_)


def invoke(id_: str, agent_id: str, payload: Any = "hi", **more: Any) -> ToolCall:
    """A call of an agent, about a text when the payload is one."""
    payload = (
        payload if isinstance(payload, dict) and "$result" not in payload else {"text": payload}
    )
    return use(id_, "invoke_agent", agent_id=agent_id, payload=payload, **more)


def calls(*made: ToolCall, text: str = "", **more: Any) -> Move:
    return Move(text, made, **more)


def tokens(input_: int, output: int, cached: int = 0, written: int = 0) -> Tokens:
    return Tokens("claude-sonnet-5-5", input_, output, cached, written)


def results(situation: Situation, round_: int = -1) -> dict[str, Any]:
    """What came of the calls of a round, by their ids."""
    done = situation.rounds[round_]
    return {one.call_id: json.loads(one.content) for one in done.results}


@dataclass
class Script:
    """Makes the n-th move of a turn as the n-th step of its script says; the last one for ever."""

    talk: Talk
    name: str = "script"
    scripts: dict[str, tuple[Step, ...]] = field(default_factory=dict)
    asked: dict[str, list[Situation]] = field(default_factory=dict)

    async def move(self, situation: Situation, say: Say) -> Move:
        self.asked.setdefault(situation.turn_id, []).append(situation)
        steps = self.scripts[situation.said]
        step = steps[min(len(situation.rounds), len(steps) - 1)]
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, Move) else await step(situation, say)

    async def say(self, account: str, *steps: Step, **more: Any) -> str:
        """Say something that this script is for; the turn's id."""
        content = f"wish {new_id()}"
        self.scripts[content] = steps
        return await self.talk.say(account, content, **more)

    async def reply(self, account: str, *steps: Step, **more: Any) -> End:
        """The same, and wait for the answer."""
        return await self.talk.end(await self.say(account, *steps, **more))

    def last(self, end: End) -> Situation:
        """What the orchestrator knew when it made the last move of a turn."""
        return self.asked[end.turn_id][-1]
