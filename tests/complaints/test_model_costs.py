"""What the language model used is on the bill: streamed, cached, cut off, or malformed."""

import json
from collections.abc import Callable
from typing import Any

from tests.complaints.system import MODEL, Marketplace, Person
from tests.doubles.anthropic import Failure, Reply, in_turn
from tests.doubles.anthropic.stream import event, events

USAGE = {
    "input_tokens": 1_000,
    "cache_creation_input_tokens": 100_000,
    "cache_read_input_tokens": 50_000,
    "output_tokens": 2_000,
}
SECOND = {"input_tokens": 500, "output_tokens": 100}
DONE = Reply(say=["All done."])
NO_OBJECTS = ('"list them"', "[1, 2]", "7", "null", '{"skill": ')
Json = dict[str, Any]


def streamed(
    *blocks: Json, usage: Json = USAGE, change: Callable[[list[Json]], object] | None = None
) -> Reply:
    """An answer as a stream, with this usage, after a change of its events."""
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": list(blocks) or [{"type": "text", "text": "All done."}],
        "stop_reason": "tool_use" if blocks else "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }
    said = [json.loads(one.partition("data: ")[2]) for one in events(message)]
    if change:
        change(said)
    raw = "".join(event(one["type"], one) for one in said)
    return Reply(raw=raw, media_type="text/event-stream")


def cut_short(said: list[Json]) -> None:
    """The connection is gone before the message has ended."""
    del said[-3:]


def without_usage(said: list[Json]) -> None:
    """Neither the beginning nor the end says what was used."""
    for one in said:
        one.pop("usage", None)
        one.get("message", {}).pop("usage", None)


async def billed(market: Marketplace, person: Person, *replies: Reply) -> tuple[Json, float]:
    """HubChat's message after these answers of the model, and what the wallet lost."""
    market.claude.script = in_turn(*replies)
    before = (await person.wallet())["posted"]
    said = await person.say("Hello!", maxBudget=5)
    return said["message"], round(before - (await person.wallet())["posted"], 6)


async def test_streamed_calls_were_recorded_as_free(market: Marketplace, alice: Person) -> None:
    """BerriAI/litellm#37923, BerriAI/litellm#40100: 830 EUR were billed, 1.47 USD recorded."""
    message, paid = await billed(market, alice, DONE)

    used = message["llm"]
    assert message["content"] == "All done."
    assert (used["input"] > 1_000, used["output"] > 0, used["estimated"]) == (True, True, False)
    assert used["usd"] == used["charged"] == paid > 0
    assert message["costBreakdown"]["total"] == paid


async def test_cached_tokens_had_the_wrong_price(market: Marketplace, alice: Person) -> None:
    """BerriAI/litellm#9812, BerriAI/litellm#11364, browser-use/browser-use#5305.

    Claude Sonnet 5.5 costs 2 dollars for a million input tokens, 2.50 when they are written to
    the cache, 0.10 when they are read from it, and 10 for a million output tokens.
    """
    message, paid = await billed(market, alice, streamed())

    by_hand = (1_000 * 2 + 100_000 * 2.5 + 50_000 * 0.1 + 2_000 * 10) / 1_000_000
    assert paid == message["llm"]["charged"] == round(by_hand, 6) == 0.277
    assert (message["llm"]["cached"], message["llm"]["written"]) == (50_000, 100_000)


async def test_a_stream_that_was_cut_off_cost_nothing(market: Marketplace, alice: Person) -> None:
    """BerriAI/litellm#30522: what `message_start` told is used, whatever became of the rest."""
    replies = streamed(change=cut_short), streamed(usage=SECOND)
    message, paid = await billed(market, alice, *replies)

    assert message["content"] == "All done."
    assert message["llm"]["input"] == 151_000 + 500
    least = (1_000 * 2 + 100_000 * 2.5 + 50_000 * 0.1 + 500 * 2 + 100 * 10) / 1_000_000
    assert least < paid == message["llm"]["charged"]


async def test_a_stream_without_usage_ended_the_turn(market: Marketplace, alice: Person) -> None:
    """The turn goes on and is billed for what it knows; it neither hangs nor fails."""
    replies = streamed(change=without_usage), streamed(usage=SECOND)
    message, paid = await billed(market, alice, *replies)

    assert message["content"] == "All done."
    assert paid == message["llm"]["charged"] >= 0.002


async def test_arguments_that_were_no_object_broke_the_turn(
    market: Marketplace, alice: Person
) -> None:
    """A tool's arguments were JSON but no object: the turn failed, or asked again for ever."""
    tool = {"type": "tool_use", "name": "list_agents", "input": {"skill": "x"}}

    def written(arguments: str) -> Callable[[list[Json]], object]:
        def change(said: list[Json]) -> None:
            deltas = [one["delta"] for one in said if one["type"] == "content_block_delta"]
            for delta in deltas:
                delta["partial_json"] = ""
            deltas[-1]["partial_json"] = arguments

        return change

    odd = [
        streamed(tool | {"id": f"toolu_{n}"}, usage=SECOND, change=written(arguments))
        for n, arguments in enumerate(NO_OBJECTS)
    ]
    asked = len(market.claude.asked)
    message, paid = await billed(market, alice, *odd, streamed(usage=SECOND))

    moves = len(NO_OBJECTS) + 1
    assert message["content"] == "All done."
    assert len(market.claude.asked) - asked == moves
    assert (message["llm"]["input"], message["llm"]["output"]) == (500 * moves, 100 * moves)
    assert paid == message["llm"]["charged"] == round(0.002 * moves, 6)


async def test_the_model_was_away_and_the_turn_was_lost(market: Marketplace, alice: Person) -> None:
    """A 429 and a 529 of the model are waited out, within the turn's own time."""
    again = {"retry-after": "0"}
    replies = (
        Reply(failure=Failure(429, "rate_limit_error", "slow down", again)),
        Reply(failure=Failure(529, "overloaded_error", "too much", again)),
        streamed(usage=SECOND),
    )
    message, paid = await billed(market, alice, *replies)

    assert (message["content"], paid) == ("All done.", 0.002)
