"""What clients send to POST /v1/chat/completions, and what of it counts."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field
from starlette.datastructures import Headers

from gateway.doors.shared.serving import BUDGET, header


class Wrong(Exception):
    """The body makes no sense here; `param` is the member that does not."""

    def __init__(self, sentence: str, param: str | None = None) -> None:
        """Say why, for people."""
        super().__init__(sentence)
        self.sentence = sentence
        self.param = param


class Part(BaseModel):
    """A part of a message."""

    type: str
    text: str | None = None


class Said(BaseModel):
    """A message of the conversation, whoever said it."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None


class StreamOptions(BaseModel):
    """How a stream is to be."""

    include_usage: bool = False


class Format(BaseModel):
    """What the answer is to look like."""

    type: str = "text"


class Completion(BaseModel):
    """The body. What only tunes a model (temperature, seed, stop …) is passed over.

    Attributes:
        metadata: `max_budget`, BazaarBucks that may be spent, and `task_id`, the task that is
            gone on with; other names are the client's own.
    """

    model: str = Field(min_length=1, max_length=200)
    messages: list[Said] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    metadata: dict[str, str] | None = None
    n: int | None = None
    tool_choice: Any = None
    response_format: Format | None = None
    logprobs: bool | None = None
    modalities: list[str] | None = None

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with a chunk about tokens."""
        return self.stream_options is not None and self.stream_options.include_usage


def refuse_what_is_not_done(body: Completion) -> None:
    """Refuse what would be asked for in vain.

    Raises:
        Wrong: with the member.
    """
    kind = body.response_format.type if body.response_format else "text"
    for param, fine, sentence in (
        ("n", body.n in {None, 1}, "Only one choice is made."),
        ("tool_choice", body.tool_choice in (None, "auto", "none"), "No tool of yours is called."),
        ("response_format", kind == "text", "The answer is text, of no given form."),
        ("logprobs", not body.logprobs, "They are not known."),
        ("modalities", body.modalities in (None, ["text"]), "The answer is text."),
    ):
        if not fine:
            raise Wrong(f"{param}: {sentence}", param)


def wish_of(body: Completion) -> str:
    """The last thing that the user said; its parts one under the other.

    Raises:
        Wrong: there is none, or it is more than text.
    """
    for said in reversed(body.messages):
        if said.role != "user":
            continue
        if not isinstance(said.content, list):
            return said.content or ""
        if any(part.type != "text" or part.text is None for part in said.content):
            raise Wrong("messages: Only text can be taken.", "messages")
        return "\n".join(part.text or "" for part in said.content)
    raise Wrong("messages: There is none of the role user.", "messages")


def terms_of(body: Completion, headers: Headers) -> tuple[str | None, str | None]:
    """What may be spent, in BazaarBucks, and the task that is gone on with; as they were sent."""
    given = body.metadata or {}
    budget = given.get("max_budget")
    return header(headers, BUDGET) if budget is None else budget, given.get("task_id")


def text_member(schema: Mapping[str, Any] | None) -> str | None:
    """The member of an agent's payload that a text goes into; None when it needs more than one."""
    if schema is None:
        return "text"
    members = schema.get("properties")
    if not isinstance(members, dict):
        return None
    texts = [name for name, kind in members.items() if _is_text(kind)]
    needed = schema.get("required") or [name for name in ("text",) if name in texts] or texts[:1]
    return needed[0] if len(needed) == 1 and needed[0] in texts else None


def _is_text(kind: Any) -> bool:
    return isinstance(kind, dict) and kind.get("type") == "string" and "enum" not in kind
