"""A round of a turn as two messages: what Claude did, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chat_svc.claude.fences import AGENT_OUTPUT, disarm, fenced
from chat_svc.claude.limits import cut
from chat_svc.orchestrator import Round, ToolCall

Block = dict[str, Any]
Message = dict[str, Any]

NO_RESULT = '{"error": "no result is known"}'
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_THINKING = frozenset({"thinking", "redacted_thinking"})


class Ids:
    """Ids of tool calls that the API takes: each once in a request, and made of plain letters."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def copy(self) -> Ids:
        """The same ids taken, to go on from twice."""
        return Ids(self._taken)

    def take(self, wanted: str) -> str:
        """The id itself where that is possible, as it is for all that Claude gave; else another."""
        number, found = 0, wanted
        while found in self._taken or not _ID.fullmatch(found):
            number += 1
            found = f"call_{len(self._taken)}_{number}"
        self._taken.add(found)
        return found


def round_messages(
    done: Round, ids: Ids, *, result_tokens: int, with_thinking: bool
) -> list[Message]:
    """Claude's message and the results of all its calls, in one message of the user.

    Args:
        done: the round; one without calls says nothing.
        ids: of the request.
        result_tokens: that one result may have.
        with_thinking: whether the model needs its thoughts again: only in the turn they belong to.
    """
    if not done.calls:
        return []
    names = [ids.take(call.id) for call in done.calls]
    said = _replayed(done, names) if _is_ours(done) else _retold(done, names)
    if not with_thinking:
        said = [_earlier(block) for block in said if block["type"] not in _THINKING]
    results = {result.call_id: result for result in done.results}
    answers: list[Block] = []
    for call, name in zip(done.calls, names, strict=True):
        result = results.get(call.id)
        content = result.content if result else NO_RESULT
        answers.append(
            {
                "type": "tool_result",
                "tool_use_id": name,
                "content": fenced(AGENT_OUTPUT, cut(content, result_tokens)),
                "is_error": result is None or result.error,
            }
        )
    return [{"role": "assistant", "content": said}, {"role": "user", "content": answers}]


def _earlier(block: Block) -> Block:
    """A block of an earlier turn: its words may quote agents, and are no longer signed for."""
    return {**block, "text": disarm(str(block["text"]))} if block["type"] == "text" else block


def blocks_to_keep(content: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Of the blocks that Claude answered, those that can be given back to it.

    The API gives empty texts but does not take them; nor names of tools that are none.
    """
    return [
        {**block, "name": _plain(block.get("name"))}
        if block.get("type") == "tool_use"
        else dict(block)
        for block in content
        if block.get("type") in {"tool_use", *_THINKING}
        or (block.get("type") == "text" and str(block.get("text", "")).strip())
    ]


def _is_ours(done: Round) -> bool:
    """Whether `raw` is what Claude said with just these calls, and not another orchestrator's."""
    raw = done.raw
    if not isinstance(raw, list) or not all(isinstance(block, dict) for block in raw):
        return False
    uses = [block.get("id") for block in raw if block.get("type") == "tool_use"]
    return uses == [call.id for call in done.calls]


def _replayed(done: Round, names: list[str]) -> list[Block]:
    following = iter(names)
    return [
        {**block, "id": next(following)} if block["type"] == "tool_use" else block
        for block in blocks_to_keep(done.raw)
    ]


def _retold(done: Round, names: list[str]) -> list[Block]:
    text: list[Block] = [{"type": "text", "text": done.text}] if done.text.strip() else []
    return [*text, *(_use(call, name) for call, name in zip(done.calls, names, strict=True))]


def _plain(name: object) -> str:
    """The name of a tool in letters that the API takes."""
    return _NOT_IN_NAMES.sub("_", str(name or ""))[:64] or "unknown"


def _use(call: ToolCall, name: str) -> Block:
    return {
        "type": "tool_use",
        "id": name,
        "name": _plain(call.name),
        "input": dict(call.input) if isinstance(call.input, Mapping) else {},
    }
