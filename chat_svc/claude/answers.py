"""What Claude answered, as a move."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chat_svc.claude import troubles
from chat_svc.claude.listening import Heard
from chat_svc.claude.rounds import blocks_to_keep
from chat_svc.domain import readable
from chat_svc.orchestrator import Move, Round, Situation, ToolCall, Trouble
from contracts import numbers

if TYPE_CHECKING:
    from anthropic.types import Message

WHOLE = frozenset({"end_turn", "stop_sequence", "tool_use"})
CUT_OFF = {
    "max_tokens": "it reached the limit of its length",
    "model_context_window_exceeded": "the conversation is as long as Claude can read",
    "pause_turn": "Claude paused before the end",
}


def move(message: Message, heard: Heard, situation: Situation) -> tuple[Move, str]:
    """The move, and what of its text was not said yet.

    Args:
        message: complete, with its stop reason.
        heard: what was streamed of it.
        situation: what it answers to.

    Raises:
        Trouble: Claude declined, or there is nothing in the answer.
        Exception: what is not there, or of another kind than it should be.
    """
    text, tokens = heard.text, heard.tokens
    blocks = [block.to_dict(warnings=False) for block in message.content]
    uses = [
        (block, _input(block, heard.inputs.get(place)))
        for place, block in enumerate(blocks)
        if block["type"] == "tool_use"
    ]
    for block, input_ in uses:
        block["input"] = input_ if isinstance(input_, dict) else {}
    content = _as_json(blocks)
    if message.stop_reason == "refusal":
        details = message.stop_details
        raise troubles.refused(details.explanation if details else None, tokens)
    if message.stop_reason in WHOLE:
        if uses and not situation.last:
            calls = tuple(
                ToolCall(str(use["id"]), _name(use), storable(input_)) for use, input_ in uses
            )
            return Move(text, calls, raw=blocks_to_keep(content), tokens=tokens), ""
        rest = "" if text.strip() else _instead(situation, heard)
    else:
        # The last tool call may be half of one, and what it is part of is not known: none is run.
        rest = _cut_off(message.stop_reason, text, [_name(use) for use, _ in uses])
    return (
        Move(
            text + rest,
            raw=blocks_to_keep(content),
            result=latest_result(situation.rounds),
            tokens=tokens,
        ),
        rest,
    )


def latest_result(rounds: Sequence[Round]) -> str | None:
    """The last result that an agent delivered in this turn."""
    for done in reversed(rounds):
        names = {call.id: call.name for call in done.calls}
        for result in reversed(done.results):
            if names.get(result.call_id) == "invoke_agent" and not result.error:
                try:
                    outcome = json.loads(result.content)
                except ValueError:
                    continue
                if isinstance(outcome, dict) and outcome.get("status") == "completed":
                    found = outcome.get("result")
                    return found if isinstance(found, str) else json.dumps(found)
    return None


def storable(value: Any) -> Any:
    """JSON without NUL and without half characters: no database, bus or API takes them."""
    if isinstance(value, str):
        return readable(value.replace("\x00", ""))
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    return value


def _input(use: dict[str, Any], written: str | None) -> Any:
    """The input of a tool as JSON; what is none, as the text that was written.

    The library reads what is there of it, so that the half of an input looks whole.
    """
    if not written:
        return use.get("input")
    try:
        return json.loads(written, parse_float=numbers.exact, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return written


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _name(use: dict[str, Any]) -> str:
    name = use.get("name")
    return name if isinstance(name, str) else ""


def _as_json(blocks: list[dict[str, Any]]) -> Any:
    """The blocks as the database takes them.

    Raises:
        ValueError: there is something in them that is no JSON.
    """
    return storable(json.loads(json.dumps(blocks, allow_nan=False)))


def _instead(situation: Situation, heard: Heard) -> str:
    """For an end without a word: the work that was done must not be lost for it."""
    result = latest_result(situation.rounds)
    if result is None:
        raise Trouble("Claude ended its answer without a word.", heard.tokens)
    return f"Claude ended without a word; this is the last result:\n\n{result}"


def _cut_off(stop_reason: str | None, text: str, tools: Sequence[str]) -> str:
    why = CUT_OFF.get(stop_reason or "", f"Claude stopped early ({stop_reason})")
    what = f"The answer is cut off here: {why}."
    if tools:
        names = ", ".join(dict.fromkeys(tools))
        what += f" What it was about to do ({names}) was not done."
    return f"\n\n({what})" if text.strip() else f"({what})"
