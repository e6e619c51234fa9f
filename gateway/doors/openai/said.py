"""Answers in the shape of OpenAI's chat completions: whole, or chunk by chunk."""

import time
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from chassis.observability.terminal import escaped_bytes

Json = dict[str, Any]

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered for one request.

    Attributes:
        id: the turn's or step's, so that the same request is answered with the same.
        model: as the caller named it.
        bazaar: what OpenAI has no word for: the task, and the bill in BazaarBucks.
        usage: tokens; None when nobody here knows how many.
    """

    id: str
    model: str
    text: str = ""
    bazaar: Json = field(default_factory=dict)
    usage: Json | None = None
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self) -> Response:
        """The answer to a request without `stream`."""
        message = {"role": "assistant", "content": self.text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        body = self._head("chat.completion") | {"choices": [choice], "usage": self.usage}
        return answered(body | {"bazaar": self.bazaar})

    def first(self) -> bytes:
        """The chunk that says who speaks, and for which turn."""
        return self._chunk({"role": "assistant", "content": ""}, bazaar=self.bazaar)

    def piece(self, text: str) -> bytes:
        """A chunk with a piece of the text."""
        return self._chunk({"content": text})

    def end(self, *, include_usage: bool) -> bytes:
        """The last chunks, and the mark of the end."""
        last = self._chunk({}, "stop", bazaar=self.bazaar)
        if include_usage:
            about: Json = {"choices": [], "usage": self.usage, "bazaar": self.bazaar}
            last += frame(self._head("chat.completion.chunk") | about)
        return last + DONE

    def _chunk(self, delta: Json, reason: str | None = None, **more: Json) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return frame(self._head("chat.completion.chunk") | {"choices": [choice]} | more)

    def _head(self, kind: str) -> Json:
        name = f"chatcmpl-{self.id}"
        return {"id": name, "object": kind, "created": self.created, "model": self.model}


def of_turn(model: str, turn: Json) -> Answer:
    """HubChat's message at the end of a turn, as the API shows it."""
    message = turn["message"] or {}  # None once it was forgotten.
    bill = message.get("costBreakdown")
    bazaar = {"turnId": turn["turnId"], "taskId": turn["taskId"], "bill": bill}
    usage = _tokens(message.get("llm") or {})
    return Answer(turn["turnId"], model, message.get("content", ""), bazaar, usage)


def _tokens(used: Json) -> Json:
    """Those of the language model that planned the turn; none when it was done by rules.

    What agents use inside is theirs, and known to nobody here.
    """
    prompt, said = used.get("input", 0), used.get("output", 0)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": said,
        "total_tokens": prompt + said,
        "prompt_tokens_details": {"cached_tokens": used.get("cached", 0)},
    }


def of_call(agent: Json, result: Json) -> Answer:
    """An agent's own answer; how many tokens it used, nobody here knows."""
    about = {name: value for name, value in result.items() if name not in {"result", "success"}}
    total = round(result["cost"] + result["externalCost"], 6)
    line = {"agent": agent["name"], "agentId": agent["id"], "cost": total}
    bazaar = about | {"bill": {"subtasks": [line], "total": total}}
    return Answer(result["stepId"], agent["id"], result["result"], bazaar)


def answered(body: Json, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON; what agents wrote may be printed by whoever asks, so nothing steers a terminal."""
    return Response(escaped_bytes(to_json(body)), status, headers, "application/json")


def frame(body: Json) -> bytes:
    """A server-sent event."""
    return b"data: %s\n\n" % escaped_bytes(to_json(body))
