"""The messages of a request: the conversation so far, cut to size, and the facts of the task."""

from __future__ import annotations

import json

from chat_svc.claude.fences import EARLIER_ANSWER, TASK_FACTS, disarm, fenced
from chat_svc.claude.limits import Limits, cut, estimate
from chat_svc.claude.rounds import Ids, Message, round_messages
from chat_svc.orchestrator import Exchange, Situation

SMALLEST_RESULT_TOKENS = 200
NOTHING = "(nothing)"
LAST = (
    "This is your last move: no tool can be used any more. Answer with what there is, and say"
    " what was not done."
)


def messages(situation: Situation, limits: Limits) -> list[Message]:
    """All that Claude is told beside the system prompt: a list that the API takes.

    Whole exchanges are left out, oldest first, until the rest keeps to its limit; results of this
    turn are cut further until all of it does. The task's facts are always there, at the end.
    """
    ids = Ids()
    kept = _kept(situation, limits)
    history = [part for exchange in kept for part in _exchange(exchange, ids, limits)]
    left_out = len(situation.history) - len(kept)
    result_tokens = limits.result_tokens
    room = limits.request_tokens - _size(history)
    while True:
        turn = _turn(situation, ids.copy(), limits.message_tokens, result_tokens)
        if _size(turn) <= room or result_tokens <= SMALLEST_RESULT_TOKENS:
            break
        result_tokens //= 2
    # What stands before this mark is sent again with the next move, and read from the cache.
    turn[-1]["content"][-1]["cache_control"] = {"type": "ephemeral"}
    turn[-1]["content"].append({"type": "text", "text": _facts(situation, left_out)})
    return [*history, *turn]


def _kept(situation: Situation, limits: Limits) -> list[Exchange]:
    """The newest exchanges that keep to the limit; of the very last, at least what was said."""
    kept: list[Exchange] = []
    left = limits.history_tokens
    for exchange in reversed(situation.history):
        left -= _size(_exchange(exchange, Ids(), limits))
        if left < 0:
            break
        kept.append(exchange)
    if situation.history and not kept:
        newest = situation.history[-1]
        share = limits.history_tokens // 2
        kept = [Exchange(said=cut(newest.said, share), answer=cut(newest.answer, share))]
    return kept[::-1]


def _exchange(exchange: Exchange, ids: Ids, limits: Limits) -> list[Message]:
    """An earlier turn, from what the person said to the answer."""
    return [
        {"role": "user", "content": [_text(exchange.said, limits.message_tokens)]},
        *(
            part
            for done in exchange.rounds
            for part in round_messages(
                done, ids, result_tokens=limits.result_tokens, with_thinking=False
            )
        ),
        {"role": "assistant", "content": [_answer(exchange.answer, limits.message_tokens)]},
    ]


def _turn(situation: Situation, ids: Ids, message_tokens: int, result_tokens: int) -> list[Message]:
    """This turn so far; it ends with a message of the user."""
    return [
        {"role": "user", "content": [_text(situation.said, message_tokens)]},
        *(
            part
            for done in situation.rounds
            for part in round_messages(done, ids, result_tokens=result_tokens, with_thinking=True)
        ),
    ]


def _text(text: str, tokens: int) -> dict[str, str]:
    return {"type": "text", "text": disarm(cut(text, tokens)) if text.strip() else NOTHING}


def _answer(text: str, tokens: int) -> dict[str, str]:
    """An answer of an earlier turn: Claude's own, but it quotes what agents wrote."""
    quoted = cut(text, tokens) if text.strip() else NOTHING
    return {"type": "text", "text": fenced(EARLIER_ANSWER, quoted)}


def _facts(situation: Situation, left_out: int) -> str:
    facts: dict[str, object] = {
        "task_id": situation.task_id,
        "budget": f"{situation.budget:f} BazaarBucks",
        "left": f"{situation.left:f} BazaarBucks",
    }
    if left_out:
        facts["earlier_exchanges_left_out"] = left_out
    if situation.last:
        facts["note"] = LAST
    return fenced(TASK_FACTS, json.dumps(facts, ensure_ascii=False))


def _size(parts: list[Message]) -> int:
    return estimate(json.dumps(parts, ensure_ascii=False))
