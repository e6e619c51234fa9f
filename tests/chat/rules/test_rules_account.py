"""Questions about the account: the tools that only look, and what is said of what they tell."""

from typing import Any

import pytest

from chat_svc.orchestrator import Exchange, ToolCall
from tests.chat.planner.market import SIX
from tests.chat.rules.carrier import carry_out, done, situation

RECEIPT = {
    "total": "0.15",
    "lines": [
        {"agent_id": "search", "quoted": "0.08", "charged": "0.08", "external": "0.03"},
        {"agent_id": "translator", "quoted": "0.03", "charged": "0.04", "refunded": "0.01"},
    ],
}
TOLD: dict[str, dict[str, Any]] = {
    "get_wallet": {"available": "12.5", "held": "0.2", "owed": "0"},
    "list_tasks": {
        "tasks": [
            {"query": "Translate\n'a'", "status": "completed", "cost": "0.10", "at": "2026-01-02"},
            {"query": "Search", "status": "failed", "cost": "0", "at": "2026-01-01"},
        ]
    },
    "get_receipt": RECEIPT,
}


def reply(call: ToolCall) -> dict[str, Any]:
    """What each tool tells."""
    return TOLD.get(call.name) or done("Translator Agent", "le chien")


@pytest.mark.parametrize(
    ("said", "tool", "told"),
    [
        ("what's my balance", "get_wallet", ["12.50 BazaarBucks to spend", "0.20 BazaarBucks"]),
        ("show me my last tasks", "list_tasks", ["0.10 BazaarBucks in all", "Translate 'a'"]),
        ("how much have I spent", "list_tasks", ["0.10 BazaarBucks in all"]),
        ("why was that so expensive?", "get_receipt", ["0.15", "Search Agent", "0.03"]),
        ("refund the last one", "get_receipt", ["Nothing was refunded", "0.01 BazaarBucks was"]),
        ("¿cuál es mi saldo?", "get_wallet", ["12.50"]),
        ("wie viel hat das gekostet?", "get_receipt", ["0.15"]),
    ],
)
async def test_it_is_looked_up_and_nobody_is_called(said: str, tool: str, told: list[str]) -> None:
    turn = await carry_out(situation(said, SIX), reply)
    assert [call.name for call in turn.calls] == [tool]
    assert all(part in turn.answer for part in told), turn.answer
    assert turn.moves[-1].result is None


async def test_that_means_the_last_task_of_the_conversation() -> None:
    first = await carry_out(situation("Translate 'the dog' to French", SIX), reply)
    before = Exchange("x", first.answer, tuple(first.rounds), "task-7", first.moves[-1].result)
    free = Exchange("thanks", "You are welcome.", (), "task-8")
    turn = await carry_out(situation("why so expensive?", SIX, history=[before, free]), reply)
    assert turn.inputs("get_receipt") == [{"task_id": "task-7"}]


async def test_what_cannot_be_looked_up_is_told_where_it_is() -> None:
    def refuses(_: ToolCall) -> dict[str, Any]:
        return {"status": "failed", "error": "payment is away"}

    turn = await carry_out(situation("what's my balance", SIX), refuses)
    assert "GET /api/wallet" in turn.answer
