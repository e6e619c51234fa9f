"""From a wish to calls, and from what the agents said to the answer."""

from dataclasses import replace
from typing import Any

import pytest

from chat_svc.orchestrator import Move, Round, ToolCall, ToolResult
from chat_svc.rules import Rules
from chat_svc.tools import InvokeAgent
from tests.chat.planner.market import CHEAP_TRANSLATOR, SIX, TRANSLATOR, away
from tests.chat.rules.carrier import Turn, carry_out, check, done, failed, situation

CHAIN = "Search for solar energy, summarize it and translate it to French"
TWO = "Translate 'cat' to French and 'dog' to Spanish"


async def play(text: str, replies: dict[str, dict[str, Any]]) -> Turn:
    return await carry_out(situation(text, SIX), lambda call: replies[call.id])


async def test_each_step_of_the_plan_is_a_call_of_one_move():
    replies = {"s0": done("S", "found"), "s1": done("U", "short"), "s2": done("T", "court")}
    turn = await play(CHAIN, replies)
    calls = [(call.id, call.input["agent_id"], call.input["payload"]) for call in turn.calls]
    assert calls == [
        ("s0", "search", {"query": "solar energy"}),
        ("s1", "summarizer", {"text": {"$result": "s0"}}),
        ("s2", "translator", {"text": {"$result": "s1"}, "target_language": "fr"}),
    ]
    assert (turn.answer, turn.moves[-1].result) == ("court", "court")
    assert turn.said == ["court"]


async def test_others_stand_by_with_payloads_of_their_own():
    market = (*SIX, CHEAP_TRANSLATOR)
    turn = await carry_out(
        situation("Translate 'hello' to French", market), lambda _: done("Cheap", "salut")
    )
    checked = check(turn.calls[0])
    assert isinstance(checked, InvokeAgent)
    assert (checked.agent_id, checked.payload) == ("cheap", {"input": "hello", "lang": "fr"})
    assert [(one.agent_id, one.payload) for one in checked.alternatives] == [
        ("translator", {"text": "hello", "target_language": "fr"})
    ]


async def test_several_results_are_told_apart():
    turn = await play(TWO, {"s0": done("Ann", "chat"), "s1": done("Ben", "perro")})
    assert turn.answer == "Ann (translate):\nchat\n\nBen (translate):\nperro"
    assert turn.moves[-1].result == "perro"


async def test_what_failed_is_said_beside_what_was_done():
    turn = await play(TWO, {"s0": failed("Ann", "the agent is busy"), "s1": done("Ben", "perro")})
    assert turn.answer == ("Ben (translate):\nperro\n\nI could not translate: the agent is busy")
    assert turn.moves[-1].result == "perro"


async def test_what_needed_a_failed_step_is_not_said_to_have_failed_itself():
    replies = {
        "s0": done("Search Agent", "found"),
        "s1": failed("U", "too slow"),
        "s2": failed("T", "s1 failed"),
    }
    turn = await play(CHAIN, replies)
    assert turn.answer == (
        "Search Agent (search):\nfound\n\nI could not summarize: too slow\n\n"
        "I did not get to translate, because it needed what came before."
    )
    assert turn.moves[-1].result == "found"


async def test_who_took_over_is_said():
    taken = done("Ben", "chat", troubles=["Ann: is busy", "Cid: answered 500"])
    turn = await carry_out(situation("Translate 'cat' to French", SIX), lambda _: taken)
    assert turn.answer == "chat\n\n(Ben took over: Ann: is busy; Cid: answered 500)"
    assert turn.moves[-1].result == "chat"


async def test_notes_of_the_plan_come_at_the_end_of_the_answer():
    text = "Translate 'cat' to French and paint me a picture"
    turn = await carry_out(situation(text, SIX), lambda _: done("T", "chat"))
    assert turn.answer == (
        "chat\n\nI cannot help with “paint me a picture”: no agent here can do that."
    )


async def test_a_question_is_answered_at_once():
    turn = await carry_out(situation("what agents are there?", SIX), lambda _: {})
    assert turn.calls == []
    assert "Translator Agent" in turn.answer
    assert turn.said == [turn.answer]
    assert turn.moves[-1].result is None
    assert turn.moves[-1].refused is None


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("paint me a picture", "no_plan"),
        ("summarize this", "no_plan"),
        ("Translate 'cat' to French for at most 0.0001", "budget"),
        ("hello", None),
        ("how much is on my account?", None),
    ],
)
async def test_a_wish_that_comes_to_nothing_says_why_for_programs(said: str, refused: str | None):
    turn = await carry_out(situation(said, SIX), lambda _: {})
    assert [call for call in turn.calls if call.name == "invoke_agent"] == []
    assert turn.moves[-1].refused == refused


async def test_nobody_is_called_beyond_what_is_left_of_the_budget():
    start = replace(
        situation("Translate 'cat' to French", SIX, "5"), left=TRANSLATOR.base_price / 2
    )
    turn = await carry_out(start, lambda _: {})
    assert turn.calls == []
    assert "nobody was called" in turn.answer
    assert turn.moves[-1].refused == "budget"


async def test_a_turn_at_its_limit_before_anything_was_done_says_so():
    turn = await carry_out(
        replace(situation("Translate 'cat' to French", SIX), last=True), lambda _: {}
    )
    assert turn.calls == []
    assert "nothing was charged" in turn.answer


async def _after(calls: tuple[ToolCall, ...], *results: ToolResult) -> Move:
    start = situation("Translate 'cat' to French", SIX)

    async def say(_: str) -> None:
        """Nobody listens."""

    return await Rules().move(replace(start, rounds=(Round("", calls, results),), last=True), say)


async def test_a_call_that_was_stopped_is_not_forgotten():
    call = ToolCall("s0", "invoke_agent", {"skill": "translate", "payload": {"text": "cat"}})
    assert (await _after((call,))).text == "I did not finish translate."


@pytest.mark.parametrize("content", ["Nobody is called so.", '{"error": "Nobody is called so."}'])
async def test_a_call_that_was_refused_is_told_in_the_words_of_the_refusal(content: str):
    call = ToolCall("s0", "invoke_agent", {"skill": "translate", "payload": {"text": "cat"}})
    move = await _after((call,), ToolResult("s0", content, error=True))
    assert move.text == "I could not translate: Nobody is called so."
    assert move.result is None


async def test_an_empty_result_is_an_answer_too():
    turn = await carry_out(situation("Translate 'cat' to French", SIX), lambda _: done("T", " "))
    assert turn.answer == "The agents had nothing to say."


async def test_nobody_there():
    turn = await carry_out(
        situation("Translate 'cat' to French", away(SIX, "translator")), lambda _: {}
    )
    assert "not available right now" in turn.answer


async def test_a_quality_is_not_taken_for_a_verb():
    turn = await carry_out(
        situation("use mock_busy to sing", SIX), lambda _: failed("Busy Agent", "is busy")
    )
    assert turn.answer == "I could not do the general task: is busy"
