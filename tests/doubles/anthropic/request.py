"""The shape of a request to POST /v1/messages, as far as it is used here: what else is refused."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

MAX_OUTPUT_TOKENS = 64_000


class Part(BaseModel):
    """Unknown fields are refused, as by the real API, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class CacheControl(Part):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class Cacheable(Part):
    cache_control: CacheControl | None = None


class Text(Cacheable):
    type: Literal["text"]
    text: str
    citations: list[Any] | None = None

    @field_validator("text")
    @classmethod
    def _not_blank(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("text content blocks must contain non-whitespace text")
        return text


class Thinking(Part):
    type: Literal["thinking"]
    thinking: str
    signature: str


class RedactedThinking(Part):
    type: Literal["redacted_thinking"]
    data: str


UseId = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$")]
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]


class ToolUse(Cacheable):
    type: Literal["tool_use"]
    id: UseId
    name: Annotated[str, Field(min_length=1, max_length=200)]
    input: dict[str, Any]
    caller: dict[str, Any] | None = None


class ToolResult(Cacheable):
    type: Literal["tool_result"]
    tool_use_id: UseId
    content: str | list[Text] = ""
    is_error: bool = False


Block = Annotated[
    Text | Thinking | RedactedThinking | ToolUse | ToolResult, Field(discriminator="type")
]


class Message(Part):
    role: Literal["user", "assistant"]
    content: str | list[Block]

    def blocks(self) -> list[Block]:
        """The content as blocks; a string is short for one text."""
        if isinstance(self.content, str):
            return [Text(type="text", text=self.content)]
        return self.content


class Tool(Cacheable):
    name: Name
    input_schema: dict[str, Any]
    description: str = ""
    strict: bool = False
    type: Literal["custom"] = "custom"


class Choice(Part):
    type: Literal["auto", "any", "none", "tool"]
    name: str | None = None
    disable_parallel_tool_use: bool = False


class Adaptive(Part):
    type: Literal["adaptive", "disabled"]
    display: Literal["summarized", "omitted"] | None = None


class Body(Part):
    model: str
    max_tokens: Annotated[int, Field(ge=1, le=MAX_OUTPUT_TOKENS)]
    messages: Annotated[list[Message], Field(min_length=1)]
    system: str | list[Text] = ""
    tools: list[Tool] = []
    tool_choice: Choice | None = None
    stream: bool = False
    stop_sequences: list[str] = []
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    thinking: Adaptive | None = None
    metadata: dict[str, str | None] | None = None
