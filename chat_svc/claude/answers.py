"""What Claude answered, as a move."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chat_svc.claude import troubles
from chat_svc.claude.rounds import blocks_to_keep
from chat_svc.orchestrator import Move, Round, Situation, Tokens, ToolCall, Trouble

if TYPE_CHECKING:
    from anthropic.types import Message, Usage

WHOLE = frozenset({"end_turn", "stop_sequence", "tool_use"})
CUT_OFF = {
    "max_tokens": "it reached the limit of its length",
    "model_context_window_exceeded": "the conversation is as long as Claude can read",
    "pause_turn": "Claude paused before the end",
}


def move(message: Message, text: str, situation: Situation) -> tuple[Move, str]:
    """The move, and what of its text was not said yet.

    Args:
        message: complete, with its stop reason.
        text: what was streamed of it.
        situation: what it answers to.

    Raises:
        Trouble: Claude declined, or there is nothing in the answer.
    """
    tokens = _tokens(message)
    content = without_nul([block.to_dict() for block in message.content])
    uses = [block for block in content if block["type"] == "tool_use"]
    if message.stop_reason == "refusal":
        details = message.stop_details
        raise troubles.refused(details.explanation if details else None, tokens)
    if message.stop_reason in WHOLE:
        if uses and not situation.last:
            calls = tuple(ToolCall(use["id"], use["name"], use["input"]) for use in uses)
            return Move(text, calls, raw=blocks_to_keep(content), tokens=tokens), ""
        rest = "" if text.strip() else _instead(situation, tokens)
    else:
        # The last tool call may be half of one, and what it is part of is not known: none is run.
        rest = _cut_off(message.stop_reason, text, uses)
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


def without_nul(value: Any) -> Any:
    """JSON without the NUL character, which the database does not take."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, dict):
        return {without_nul(key): without_nul(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    return value


def _instead(situation: Situation, tokens: Tokens) -> str:
    """For an end without a word: the work that was done must not be lost for it."""
    result = latest_result(situation.rounds)
    if result is None:
        raise Trouble("Claude ended its answer without a word.", tokens)
    return f"Claude ended without a word; this is the last result:\n\n{result}"


def _cut_off(stop_reason: str | None, text: str, uses: Sequence[dict[str, Any]]) -> str:
    why = CUT_OFF.get(stop_reason or "", f"Claude stopped early ({stop_reason})")
    what = f"The answer is cut off here: {why}."
    if uses:
        names = ", ".join(dict.fromkeys(use["name"] for use in uses))
        what += f" What it was about to do ({names}) was not done."
    return f"\n\n({what})" if text.strip() else f"({what})"


def _tokens(message: Message) -> Tokens:
    """`input_tokens` of the API are only those that have nothing to do with its cache."""
    usage: Usage = message.usage
    cached = usage.cache_read_input_tokens or 0
    return Tokens(
        model=message.model,
        input=usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0),
        output=usage.output_tokens,
        cached=cached,
    )
