"""What Claude answers becomes a move, and what came of it reaches Claude as it has to."""

import json
from decimal import Decimal

import pytest

from chat_svc.claude import DEFAULT_MODEL
from chat_svc.claude.answers import latest_result
from chat_svc.orchestrator import Exchange, Round, ToolCall, ToolResult, Trouble
from tests.chat.claude.asking import MODEL, Asking, after, situation
from tests.doubles.anthropic import Reply, Use

LIST = Use("list_agents", {"skill": "translate"})
INVOKE = Use("invoke_agent", {"agent_id": "a1", "payload": {"text": "hello"}})
DONE = json.dumps({"call_id": "c", "status": "completed", "result": "Hallo"})


async def test_a_greeting_is_answered_without_a_tool(claude: Asking) -> None:
    move = await claude.move(situation("Hi"), Reply(say=["Hello, what can I do for you today?"]))
    assert move.text == "Hello, what can I do for you today?"
    assert move.calls == ()
    assert move.result is None
    assert len(claude.said) > 1
    assert "".join(claude.said) == move.text


async def test_one_tool_and_its_result(claude: Asking) -> None:
    first = await claude.move(situation(), Reply(say=["I look."], use=[LIST]))
    [call] = first.calls
    assert (call.name, call.input) == ("list_agents", {"skill": "translate"})
    assert first.text == "I look."

    last = await claude.move(
        situation(rounds=[after(first, '{"agents": []}')]), Reply(say=["Nobody can."])
    )
    assert last.text == "Nobody can."
    _, said, results = claude.sent()["messages"]
    assert said["role"] == "assistant"
    assert [block["type"] for block in said["content"]] == ["text", "tool_use"]
    assert said["content"][1]["id"] == call.id
    assert results["content"][0]["tool_use_id"] == call.id
    assert '{"agents": []}' in results["content"][0]["content"]


async def test_two_tools_side_by_side_come_back_in_one_message_in_order(claude: Asking) -> None:
    first = await claude.move(situation(), Reply(use=[INVOKE, Use("get_task"), INVOKE]))
    assert [call.name for call in first.calls] == ["invoke_agent", "get_task", "invoke_agent"]
    assert len({call.id for call in first.calls}) == 3

    done = after(first, "one", "two", "three")
    shuffled = Round(done.text, done.calls, done.results[::-1], done.raw)
    await claude.move(situation(rounds=[shuffled]), Reply(say=["Done."]))
    results = claude.sent()["messages"][-1]["content"][:3]
    assert [result["tool_use_id"] for result in results] == [call.id for call in first.calls]
    for result, content in zip(results, ["one", "two", "three"], strict=True):
        assert content in result["content"]


async def test_a_chain_keeps_every_step_and_its_thoughts(claude: Asking) -> None:
    first = await claude.move(situation(), Reply(think="Who can do it?", use=[LIST]))
    one = after(first, '{"agents": [{"id": "a1"}]}')
    second = await claude.move(situation(rounds=[one]), Reply(say=["Now."], use=[INVOKE]))
    two = after(second, DONE)
    third = await claude.move(situation(rounds=[one, two]), Reply(say=["Hallo"]))
    assert third.result == "Hallo"
    roles = [message["role"] for message in claude.sent()["messages"]]
    assert roles == ["user", "assistant", "user", "assistant", "user"]
    thought = claude.sent()["messages"][1]["content"][0]
    assert thought["thinking"] == "Who can do it?"
    assert claude.double.refused == []


async def test_a_follow_up_sees_the_earlier_turn(claude: Asking) -> None:
    first = await claude.move(situation(), Reply(think="Easy.", use=[INVOKE]))
    earlier = Exchange("Translate 'hello'", "Hallo", (after(first, DONE),), "task-1", "Hallo")
    await claude.move(
        situation("Now to French", history=[earlier]), Reply(think="Hm.", say=["Bonjour"])
    )
    parts = claude.sent()["messages"]
    assert [part["role"] for part in parts] == ["user", "assistant", "user", "assistant", "user"]
    assert [block["type"] for block in parts[1]["content"]] == ["tool_use"]
    assert parts[3]["content"][0]["text"] == "<earlier_answer>\nHallo\n</earlier_answer>"
    assert parts[4]["content"][0]["text"] == "Now to French"


async def test_a_turn_that_the_rules_began_can_be_gone_on_with(claude: Asking) -> None:
    calls = (ToolCall("0", "invoke_agent", {"payload": {}}), ToolCall("0/1", "odd name", {}))
    rules = Round("", calls, (ToolResult("0", DONE), ToolResult("0/1", "no", error=True)), raw=7)
    twice = Exchange("Hello", "", (rules,))
    await claude.move(situation(history=[twice, twice], rounds=[rules]), Reply(say=["Done."]))
    assert claude.double.refused == []
    uses = claude.sent()["messages"][1]["content"]
    assert [use["name"] for use in uses] == ["invoke_agent", "odd_name"]
    assert claude.sent()["messages"][2]["content"][1]["is_error"] is True


async def test_the_facts_are_told_last_and_apart(claude: Asking) -> None:
    await claude.move(situation(left=Decimal("0.123456")), Reply(say=["Done."]))
    said, facts = claude.sent()["messages"][-1]["content"]
    assert said["text"] == "Translate 'hello' to German"
    assert facts["text"].startswith("<task_facts>\n")
    told = json.loads(facts["text"].removeprefix("<task_facts>\n").removesuffix("\n</task_facts>"))
    assert told == {
        "task_id": "task-1",
        "budget": "1 BazaarBucks",
        "left": "0.123456 BazaarBucks",
    }


async def test_the_last_move_has_to_be_the_answer(claude: Asking) -> None:
    move = await claude.move(situation(last=True), Reply(say=["That is all."], use=[LIST]))
    assert claude.sent()["tool_choice"]["type"] == "none"
    assert "last move" in claude.sent()["messages"][-1]["content"][-1]["text"]
    assert move.calls == ()
    assert move.text == "That is all."


async def test_several_texts_are_told_apart_as_they_are_said(claude: Asking) -> None:
    move = await claude.move(situation(), Reply(say=["The first.", "The second."]))
    assert move.text == "The first.\n\nThe second."
    assert "".join(claude.said) == move.text


async def test_an_end_without_a_word_still_gives_the_result(claude: Asking) -> None:
    first = await claude.move(situation(), Reply(use=[INVOKE]))
    move = await claude.move(situation(rounds=[after(first, DONE)]), Reply())
    assert "Hallo" in move.text
    assert move.result == "Hallo"
    assert "".join(claude.said) == move.text


async def test_an_end_without_a_word_and_a_result_is_said(claude: Asking) -> None:
    with pytest.raises(Trouble, match="without a word") as trouble:
        await claude.move(situation(), Reply())
    assert trouble.value.tokens is not None


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("max_tokens", "limit of its length"),
        ("model_context_window_exceeded", "as long as Claude can read"),
        ("pause_turn", "paused"),
        ("something_new", "something_new"),
    ],
)
async def test_an_answer_that_is_cut_off_says_so(claude: Asking, reason: str, why: str) -> None:
    move = await claude.move(situation(), Reply(say=["Half of"], stop_reason=reason))
    assert move.text.startswith("Half of\n\n(The answer is cut off here: ")
    assert why in move.text
    assert "".join(claude.said) == move.text


async def test_a_tool_call_that_is_cut_off_is_not_run(claude: Asking) -> None:
    move = await claude.move(
        situation(), Reply(say=["I will."], use=[LIST, INVOKE], stop_reason="max_tokens")
    )
    assert move.calls == ()
    assert "list_agents, invoke_agent) was not done" in move.text


async def test_a_refusal_ends_the_turn_with_its_reason(claude: Asking) -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "This could do harm."}
    with pytest.raises(Trouble, match=r"declined to answer this \(This could do harm\.\)") as error:
        await claude.move(situation(), Reply(stop_reason="refusal", stop_details=details))
    assert error.value.tokens is not None


async def test_tokens_are_counted_with_those_in_the_cache(claude: Asking) -> None:
    first = await claude.move(situation("Count"), Reply(use=[LIST]))
    assert first.tokens is not None
    assert first.tokens.model == MODEL
    assert first.tokens.input > 1000
    assert first.tokens.output > 0

    rounds = [after(first, '{"agents": []}')]
    second = await claude.move(situation("Count", rounds=rounds), Reply(say=["One."]))
    assert second.tokens is not None
    third = await claude.move(situation("Count", rounds=rounds), Reply(say=["One."]))
    # All that the request before held, but for the facts at its end, was in the cache.
    assert 0.9 * first.tokens.input < second.tokens.cached < second.tokens.input
    assert third.tokens is not None
    assert second.tokens.cached < third.tokens.cached < third.tokens.input


async def test_what_is_asked_for(claude: Asking) -> None:
    await claude.move(situation(), Reply(say=["Done."]))
    sent = claude.sent()
    assert (sent["model"], sent["stream"]) == (MODEL, True)
    assert sent["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "5m"}
    assert [tool["name"] for tool in sent["tools"]] == [
        "list_agents",
        "negotiate_price",
        "invoke_agent",
        "get_task",
        "get_wallet",
        "list_tasks",
        "get_receipt",
    ]
    assert [tool["strict"] for tool in sent["tools"]] == [True, True, False, *[True] * 4]


def test_the_latest_result_is_the_last_that_was_delivered() -> None:
    calls = (ToolCall("1", "invoke_agent", {}), ToolCall("2", "invoke_agent", {}))
    failed = json.dumps({"status": "failed", "result": None})
    rounds = [
        Round("", calls, (ToolResult("1", DONE), ToolResult("2", failed))),
        Round("", (ToolCall("3", "get_task", {}),), (ToolResult("3", DONE),)),
        Round("", (ToolCall("4", "invoke_agent", {}),), (ToolResult("4", "gone", error=True),)),
    ]
    assert latest_result(rounds) == "Hallo"
    assert latest_result(rounds[1:]) is None


def test_the_default_model_is_a_current_one() -> None:
    from anthropic.resources.messages.messages import DEPRECATED_MODELS
    from anthropic.types import Model

    assert DEFAULT_MODEL in str(Model)
    assert DEFAULT_MODEL not in DEPRECATED_MODELS
