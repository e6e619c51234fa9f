"""A double, a Claude that asks it, and situations to ask about."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from chat_svc.claude import Claude, Limits
from chat_svc.orchestrator import Move, Round, Situation, ToolResult
from tests.agents.serving import served
from tests.doubles.anthropic import KEY, Double, Reply, in_turn

MODEL = "claude-test-1"


class Asking:
    """One Claude before one double, whose script a test sets."""

    def __init__(self, double: Double, url: str) -> None:
        self.double = double
        self.url = url
        self.said: list[str] = []
        self._known: dict[tuple[str, Limits | None], Claude] = {}

    async def move(
        self, situation: Situation, *replies: Reply, limits: Limits | None = None, key: str = KEY
    ) -> Move:
        """The move that these replies lead to."""
        self.double.script = in_turn(*replies)
        self.double.asked.clear()
        self.double.refused.clear()
        self.said.clear()
        who = (key, limits)
        if who not in self._known:
            self._known[who] = Claude(key, MODEL, base_url=self.url, limits=limits)
        return await self._known[who].move(situation, self._say)

    async def close(self) -> None:
        for claude in self._known.values():
            await claude.close()

    async def _say(self, text: str) -> None:
        self.said.append(text)

    def sent(self) -> dict[str, Any]:
        """The request that was sent last."""
        return self.double.asked[-1].model_dump(exclude_none=True)


@asynccontextmanager
async def asking() -> AsyncIterator[Asking]:
    double = Double(in_turn())
    with served(double.app()) as client:
        found = Asking(double, str(client.base_url))
        yield found
        await found.close()


def situation(said: str = "Translate 'hello' to German", **changes: Any) -> Situation:
    return Situation(
        **{
            "turn_id": "turn-1",
            "task_id": "task-1",
            "said": said,
            "budget": Decimal(1),
            "left": Decimal("0.75"),
            "agents": (),
            **changes,
        }
    )


def after(move: Move, *contents: str) -> Round:
    """The round of a move, with these results of its calls."""
    results = tuple(
        ToolResult(call.id, content) for call, content in zip(move.calls, contents, strict=True)
    )
    return Round(move.text, move.calls, results, move.raw)
