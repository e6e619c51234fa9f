"""An answer of Claude that makes no sense is one move, with what it used, whatever is wrong."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_svc.checks import check
from chat_svc.orchestrator import Spoiled, ToolCall
from tests.chat.claude.asking import MODEL, Asking, after, situation
from tests.doubles.anthropic import Reply
from tests.doubles.anthropic.stream import event, events

Json = dict[str, Any]
Change = Callable[[list[Json]], object]
USAGE = {"input_tokens": 700, "cache_creation_input_tokens": 200, "cache_read_input_tokens": 100}
MESSAGE: Json = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": MODEL,
    "content": [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "toolu_1", "name": "list_agents", "input": {"skill": "sing"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {**USAGE, "output_tokens": 30},
}


def streamed(change: Change = lambda _said: None) -> Reply:
    """The message above, after a change of its events."""
    said = [json.loads(one.partition("data: ")[2]) for one in events(MESSAGE)]
    change(said)
    raw = "".join(event(one["type"], one) for one in said)
    return Reply(raw=raw, media_type="text/event-stream")


def of(said: list[Json], kind: str) -> list[Json]:
    return [one for one in said if one["type"] == kind]


def written(text: Any) -> Change:
    """The tool's input is this text."""

    def change(said: list[Json]) -> None:
        pieces = [
            one
            for one in of(said, "content_block_delta")
            if one["delta"]["type"] == "input_json_delta"
        ]
        for one in pieces:
            one["delta"]["partial_json"] = ""
        pieces[-1]["delta"]["partial_json"] = text

    return change


def block(**changes: Any) -> Change:
    """The tool's block has these members, or lacks those that are None."""

    def change(said: list[Json]) -> None:
        begun = of(said, "content_block_start")[-1]["content_block"]
        begun |= changes
        for name in [name for name, value in changes.items() if value is None]:
            del begun[name]

    return change


def start(**changes: Any) -> Change:
    """The beginning of the message has these members, or lacks those that are None."""

    def change(said: list[Json]) -> None:
        begun = said[0]["message"]
        begun |= changes
        for name in [name for name, value in changes.items() if value is None]:
            del begun[name]

    return change


def each(kind: str, **changes: Any) -> Change:
    """All events of a kind have these members."""

    def change(said: list[Json]) -> None:
        for one in of(said, kind):
            one.update(changes)

    return change


NO_INPUTS: dict[str, Change] = {
    "a text that holds JSON": written(json.dumps(json.dumps({"skill": "sing"}))),
    "a list": written('[{"skill": "sing"}]'),
    "a number": written("7"),
    "null": written("null"),
    "half of an input": written('{"skill": "sin'),
    "not a number": written('{"skill": NaN}'),
    "too large a number": written('{"skill": 1e999}'),
    "a number that would become another": written('{"skill": 0.1000000000000000055}'),
}
NO_TOOLS: dict[str, Change] = {
    "no name": block(name=None),
    "a name that is none": block(name=["list_agents"]),
    "a name in odd letters": block(name="functions.list_agents"),
}
SPOILED: dict[str, Change] = {
    "no usage at all": start(usage=None),
    "usage that is none": start(usage="much"),
    "an end without usage": each("message_delta", usage=None),
    "content that is none": start(content=None),
    "a block that is none": each("content_block_start", content_block="text"),
    "a block without an id": block(id=None),
    "a delta of nothing": each("content_block_delta", delta=None),
    "a place that is not there": each("content_block_delta", index=9),
    "a text that is none": each("content_block_delta", delta={"type": "text_delta", "text": 5}),
    "no JSON as an input": written("skill: sing"),
    "no JSON in a block": block(caller=float("nan")),
    "too long a number": written('{"skill": ' + "9" * 5_000 + "}"),
    "too deep an input": written('{"skill": ' + "[" * 5_000 + "]" * 5_000 + "}"),
    "no beginning": lambda said: said.pop(0),
    "no end": lambda said: said.pop(),
    "nothing": lambda said: said.clear(),
}


HALF = "\ud83d\x00"
NO_CHARACTERS: dict[str, Change] = {
    "a text": lambda said: of(said, "content_block_delta")[0]["delta"].update(text=f"I look{HALF}"),
    "a tool's name": block(name=HALF),
    "a model's name": start(model=f"m{HALF}"),
}


@pytest.mark.parametrize("change", NO_CHARACTERS.values(), ids=NO_CHARACTERS)
async def test_what_is_no_character_is_told_stored_and_given_back_by_nobody(
    claude: Asking, change: Change
) -> None:
    first = await claude.move(situation(), streamed(change))
    assert first.tokens is not None
    kept = [first.text, first.tokens.model, first.raw, claude.said]
    assert b"u0000" not in json.dumps(kept, ensure_ascii=False).encode()
    last = await claude.move(situation(rounds=[after(first, "no")]), Reply(say=["I see."]))
    assert last.text == "I see."


async def test_what_is_changed_here_is_a_good_answer(claude: Asking) -> None:
    move = await claude.move(situation(), streamed())
    [call] = move.calls
    assert (call.name, call.input, move.text) == ("list_agents", {"skill": "sing"}, "I look.")
    assert move.tokens is not None
    assert (move.tokens.input, move.tokens.cached, move.tokens.written) == (1_000, 100, 200)


@pytest.mark.parametrize("change", (NO_INPUTS | NO_TOOLS).values(), ids=NO_INPUTS | NO_TOOLS)
async def test_a_call_that_makes_no_sense_has_an_error_as_its_result(
    claude: Asking, change: Change
) -> None:
    first = await claude.move(situation(), streamed(change))
    assert first.tokens is not None
    [stored] = check(first.calls, 0, (), (), "do it")
    assert stored.error
    assert json.loads(stored.content or "")["status"] == "failed"
    json.dumps([first.raw, dict(stored.input)], allow_nan=False)

    last = await claude.move(
        situation(rounds=[after(first, str(stored.content))]), Reply(say=["I see."])
    )
    assert last.text == "I see."
    assert claude.double.refused == []


@pytest.mark.parametrize("change", SPOILED.values(), ids=SPOILED)
async def test_an_answer_that_makes_no_sense_is_a_move(claude: Asking, change: Change) -> None:
    with pytest.raises(Spoiled, match="Claude's answer") as spoiled:
        await claude.move(situation(), streamed(change))
    assert len(claude.double.asked) == 1
    if change not in (SPOILED["no beginning"], SPOILED["nothing"]):
        has_usage = change not in (SPOILED["no usage at all"], SPOILED["usage that is none"])
        assert (spoiled.value.tokens is not None) == has_usage


@pytest.mark.parametrize("tokens", [None, "many", -5, 1.5, 10**30, True])
async def test_odd_numbers_of_tokens_are_kept_within_reason(claude: Asking, tokens: Any) -> None:
    def change(said: list[Json]) -> None:
        said[0]["message"]["usage"] |= dict.fromkeys(USAGE, tokens)
        of(said, "message_delta")[0]["usage"] = {"output_tokens": tokens}

    move = await claude.move(situation(), streamed(change))
    assert move.tokens is not None
    used = (move.tokens.input, move.tokens.output, move.tokens.cached, move.tokens.written)
    assert all(0 <= one < 2**31 for one in used)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.sampled_from(["list_agents", "get_task", "invoke_agent", "x\x00"]), JSON)
def test_any_input_is_checked(name: str, input_: Any) -> None:
    [stored] = check([ToolCall("a", name, input_)], 0, (), (), "do it")
    assert stored.error or isinstance(input_, dict)
    json.dumps(dict(stored.input), allow_nan=False)
