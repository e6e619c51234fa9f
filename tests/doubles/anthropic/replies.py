"""What the double answers: replies, and scripts that choose among them."""

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.doubles.anthropic.checks import signature
from tests.doubles.anthropic.request import Body

CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True)
class Use:
    """A tool that the reply uses."""

    name: str
    input: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """An error in the API's shape.

    Attributes:
        status: with type and message as the API has them.
        headers: such as retry-after.
    """

    status: int
    type: str
    message: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """One answer.

    Attributes:
        say: texts, each a block of its own.
        use: tools, after the texts.
        think: a thought before them.
        stop_reason: None for what goes with the content.
        failure: instead of any content; with `pieces`, an error event in the middle of it.
        pieces: how many events of a stream are sent before the failure, or before the connection
            breaks off; None for all.
        hang: nothing more is sent after the pieces, until the caller goes away.
        raw: sent in place of everything else, as `media_type` and with `status`.
    """

    say: Sequence[str] = ()
    use: Sequence[Use] = ()
    think: str = ""
    stop_reason: str | None = None
    stop_details: dict[str, Any] | None = None
    failure: Failure | None = None
    pieces: int | None = None
    hang: bool = False
    raw: str | None = None
    media_type: str = "text/html"
    status: int = 200

    def content(self) -> list[dict[str, Any]]:
        """The blocks; a tool's id is new with every call."""
        thoughts = (
            [{"type": "thinking", "thinking": self.think, "signature": signature(self.think)}]
            if self.think
            else []
        )
        return [
            *thoughts,
            *({"type": "text", "text": text} for text in self.say),
            *(
                {
                    "type": "tool_use",
                    "id": f"toolu_{uuid.uuid4().hex[:24]}",
                    "name": use.name,
                    "input": use.input,
                }
                for use in self.use
            ),
        ]

    def reason(self) -> str:
        """The stop reason."""
        return self.stop_reason or ("tool_use" if self.use else "end_turn")


Script = Callable[[Body], Reply]
"""Chooses the reply to a request that was found valid."""


def in_turn(*replies: Reply) -> Script:
    """One reply after the other; asked once more, the double fails loudly."""
    left = iter(replies)

    def script(_body: Body) -> Reply:
        return next(left, Reply(failure=Failure(500, "api_error", "the script is at its end")))

    return script


def read_script(path: Path) -> Script:
    """A script from a JSON file: a list of objects with `when`, and the fields of a reply.

    The first whose `when` occurs in the content of the last message is taken, or the first
    without `when`. With `once`, it is taken once.
    """
    rules: list[dict[str, Any]] = json.loads(path.read_text())

    def script(body: Body) -> Reply:
        last = json.dumps([block.model_dump() for block in body.messages[-1].blocks()])
        for rule in rules:
            if rule.get("when", "") in last and not rule.get("used"):
                rule["used"] = rule.get("once", False)
                return _reply(rule)
        return Reply(failure=Failure(500, "api_error", "the script has no reply to this"))

    return script


def _reply(rule: dict[str, Any]) -> Reply:
    fields = {name: value for name, value in rule.items() if name not in {"when", "once", "used"}}
    fields["use"] = [Use(**use) for use in fields.get("use", [])]
    if "failure" in fields:
        fields["failure"] = Failure(**fields["failure"])
    return Reply(**fields)


def tokens(value: Any) -> int:
    """Tokens of a piece of JSON, roughly."""
    return -(-len(json.dumps(value)) // CHARACTERS_PER_TOKEN)
