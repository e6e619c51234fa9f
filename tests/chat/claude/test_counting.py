"""What a language model was asked, and what it read and wrote, is counted as it happens."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from chat_svc.measures import OUTCOMES, counted
from chat_svc.orchestrator import Move, Trouble, TryLater
from tests.chat.claude.asking import MODEL, Asking, situation
from tests.doubles.anthropic import Failure, Reply, Use

LIST = Use("list_agents", {"skill": "translate"})


def tokens() -> dict[str, float]:
    return {
        kind: REGISTRY.get_sample_value("bazaar_llm_tokens_total", {"model": MODEL, "kind": kind})
        or 0
        for kind in ("input", "cached", "output")
    }


def requests() -> dict[str, float]:
    found = {
        outcome: REGISTRY.get_sample_value(
            "bazaar_llm_requests_total", {"model": MODEL, "outcome": outcome}
        )
        for outcome in OUTCOMES
    }
    return {outcome: value or 0 for outcome, value in found.items()}


def more(before: dict[str, float]) -> dict[str, float]:
    """The outcomes that were counted since."""
    return {k: v - before[k] for k, v in requests().items() if v != before[k]}


async def test_a_move_is_counted_with_its_tokens(claude: Asking) -> None:
    from_cache = []
    for _ in range(2):
        asked, used = requests(), tokens()
        move = await claude.move(situation("How many?"), Reply(use=[LIST]))
        assert more(asked) == {"answered": 1}
        assert move.tokens is not None
        now = tokens()
        assert {kind: now[kind] - used[kind] for kind in now} == {
            "input": move.tokens.input - move.tokens.cached,
            "cached": move.tokens.cached,
            "output": move.tokens.output,
        }
        from_cache.append(move.tokens.cached)
    assert from_cache[1] > 0, "the second reads from the cache"


async def test_a_refusal_is_trouble_and_its_tokens_count(claude: Asking) -> None:
    asked, used = requests(), tokens()
    with pytest.raises(Trouble):
        await claude.move(situation(), Reply(stop_reason="refusal"))
    assert more(asked) == {"trouble": 1}
    assert sum(tokens().values()) > sum(used.values())


async def test_what_passes_is_counted_as_such(claude: Asking) -> None:
    asked, used = requests(), tokens()
    with pytest.raises(TryLater):
        await claude.move(situation(), Reply(failure=Failure(529, "overloaded_error", "busy")))
    assert more(asked) == {"later": 1}
    assert tokens() == used


async def test_a_move_that_nobody_waits_for_any_more_is_counted(claude: Asking) -> None:
    await claude.move(situation(), Reply(say=["Hello."]))
    asked, begun = requests(), asyncio.Event()

    async def never() -> Move:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    waiting = asyncio.create_task(counted(MODEL, never()))
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert more(asked) == {"given_up": 1}
