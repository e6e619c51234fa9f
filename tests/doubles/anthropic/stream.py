"""A reply as server-sent events, in the order that the API keeps."""

import json
from collections.abc import Iterator
from typing import Any

PIECE = 12
"""Characters of text or JSON in one event."""

Json = dict[str, Any]


def events(message: Json) -> Iterator[str]:
    """The events of a message, from message_start to message_stop."""
    start = {
        **message,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**message["usage"], "output_tokens": 1},
    }
    yield event("message_start", {"message": start})
    yield event("ping", {})
    for index, block in enumerate(message["content"]):
        yield event("content_block_start", {"index": index, "content_block": _empty(block)})
        for delta in _deltas(block):
            yield event("content_block_delta", {"index": index, "delta": delta})
        yield event("content_block_stop", {"index": index})
    yield event(
        "message_delta",
        {
            "delta": {
                "stop_reason": message["stop_reason"],
                "stop_sequence": None,
                "stop_details": message.get("stop_details"),
            },
            "usage": {"output_tokens": message["usage"]["output_tokens"]},
        },
    )
    yield event("message_stop", {})


def event(name: str, body: Json) -> str:
    """One server-sent event."""
    return f"event: {name}\ndata: {json.dumps({'type': name, **body})}\n\n"


def _empty(block: Json) -> Json:
    blank = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}}
    return {**block, **blank.get(block["type"], {"input": {}})}


def _deltas(block: Json) -> Iterator[Json]:
    if block["type"] == "text":
        for piece in _pieces(block["text"]):
            yield {"type": "text_delta", "text": piece}
    elif block["type"] == "thinking":
        for piece in _pieces(block["thinking"]):
            yield {"type": "thinking_delta", "thinking": piece}
        yield {"type": "signature_delta", "signature": block["signature"]}
    else:
        yield {"type": "input_json_delta", "partial_json": ""}
        for piece in _pieces(json.dumps(block["input"])):
            yield {"type": "input_json_delta", "partial_json": piece}


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE]
