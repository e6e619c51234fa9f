"""What the API refuses beyond the shape of a request."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
from pydantic import ValidationError

from tests.doubles.anthropic.request import Body, Choice, Message, Text, Thinking, Tool
from tests.doubles.anthropic.request import ToolResult as Result
from tests.doubles.anthropic.request import ToolUse as Use

VERSIONS = frozenset({"2023-01-01", "2023-06-01", "2026-10-21"})
MODEL_PREFIX = "claude-"
MAX_CACHE_MARKS = 4
CONTEXT_TOKENS = 200_000
CHARACTERS_PER_TOKEN = 4
NOT_IN_STRICT_SCHEMAS = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength"}
    | {"maxLength", "maxItems", "uniqueItems", "patternProperties", "oneOf", "not", "if"}
)


class Refused(Exception):
    """The request is not answered; `type` is the API's own word for why."""

    def __init__(self, status: int, type_: str, message: str) -> None:
        super().__init__(message)
        self.status, self.type, self.message = status, type_, message


def invalid(message: str) -> Refused:
    return Refused(400, "invalid_request_error", message)


def check_headers(headers: Mapping[str, str], key: str) -> None:
    keys = {headers.get("x-api-key"), headers.get("authorization")} - {None}
    if not keys:
        raise Refused(401, "authentication_error", "x-api-key header is required")
    if keys not in ({key}, {f"Bearer {key}"}):
        raise Refused(401, "authentication_error", "invalid x-api-key")
    version = headers.get("anthropic-version")
    if version is None:
        raise invalid("anthropic-version: header is required")
    if version not in VERSIONS:
        raise invalid(f'anthropic-version: "{version}" is not a valid version')
    if headers.get("content-type", "").partition(";")[0] != "application/json":
        raise invalid("content-type: must be application/json")


def read(raw: bytes) -> Body:
    """The request, if the API takes it; else Refused."""
    try:
        body = Body.model_validate_json(raw)
    except ValidationError as error:
        # Of the ways to read something, the one that came farthest tells most.
        best = max(error.errors(), key=lambda one: len(one["loc"]))
        place = ".".join(str(part) for part in best["loc"])
        raise invalid(f"{place}: {best['msg']}") from None
    if not body.model.startswith(MODEL_PREFIX):
        raise Refused(404, "not_found_error", f"model: {body.model}")
    _check_tools(body)
    _check_messages(body)
    _check_cache_marks(body)
    if (tokens := len(raw) // CHARACTERS_PER_TOKEN) > CONTEXT_TOKENS:
        raise invalid(f"prompt is too long: {tokens} tokens > {CONTEXT_TOKENS} maximum")
    return body


def signature(thought: str) -> str:
    """What the double signs its thoughts with, and wants to see unchanged."""
    return f"sig-{hashlib.sha256(thought.encode()).hexdigest()[:24]}"


def merged(messages: list[Message]) -> list[tuple[str, list[Any]]]:
    """The messages with those of one role in a row put together, as the API does."""
    turns: list[tuple[str, list[Any]]] = []
    for message in messages:
        if turns and turns[-1][0] == message.role:
            turns[-1][1].extend(message.blocks())
        else:
            turns.append((message.role, list(message.blocks())))
    return turns


def _check_tools(body: Body) -> None:
    names = [tool.name for tool in body.tools]
    if len(set(names)) != len(names):
        raise invalid("tools: Tool names must be unique.")
    for index, tool in enumerate(body.tools):
        _check_schema(f"tools.{index}.custom.input_schema", tool)
    choice = body.tool_choice or Choice(type="auto")
    if body.tool_choice is not None and not names:
        raise invalid("tool_choice: may only be specified while providing tools")
    if (choice.type == "tool") != (choice.name is not None):
        raise invalid("tool_choice.name: goes with the type tool, and only with it")
    if choice.type == "tool" and choice.name not in names:
        raise invalid(f"tool_choice: Tool '{choice.name}' not found in provided tools")


def _check_schema(place: str, tool: Tool) -> None:
    if tool.input_schema.get("type") != "object":
        raise invalid(f"{place}.type: Input should be 'object'")
    try:
        jsonschema.Draft202012Validator.check_schema(tool.input_schema)
    except jsonschema.SchemaError as error:
        raise invalid(f"{place}: JSON schema is invalid: {error.message}") from None
    if tool.strict:
        for part in _schemas(tool.input_schema):
            if unknown := sorted(NOT_IN_STRICT_SCHEMAS & set(part)):
                raise invalid(f"{place}: not supported in strict tools: {', '.join(unknown)}")
            if part.get("type") == "object" and part.get("additionalProperties") is not False:
                raise invalid(f"{place}: 'additionalProperties' must be explicitly set to false")


def _schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema and every schema in it."""
    yield schema
    for name in ("properties", "$defs"):
        for part in schema.get(name, {}).values():
            yield from _schemas(part)
    for name in ("anyOf", "allOf"):
        for part in schema.get(name, []):
            yield from _schemas(part)
    if isinstance(schema.get("items"), dict):
        yield from _schemas(schema["items"])


def _check_messages(body: Body) -> None:
    if body.messages[0].role != "user":
        raise invalid('messages: first message must use the "user" role')
    for index, message in enumerate(body.messages):
        if not message.content:
            raise invalid(f"messages.{index}: all messages must have non-empty content")
        for block in message.blocks():
            allowed = Text | Result if message.role == "user" else Text | Use | Thinking
            if not isinstance(block, allowed) and block.type != "redacted_thinking":
                raise invalid(f"messages.{index}: {block.type} cannot be in role {message.role}")
            if isinstance(block, Thinking) and block.signature != signature(block.thinking):
                raise invalid(f"messages.{index}: Invalid `signature` in `thinking` block")
    if body.messages[-1].role != "user":
        raise invalid("This model does not support assistant message prefill.")
    _check_tool_pairs(body)


def _check_tool_pairs(body: Body) -> None:
    seen: set[str] = set()
    open_: list[str] = []
    for index, (role, blocks) in enumerate(merged(body.messages)):
        answered = [block.tool_use_id for block in blocks if isinstance(block, Result)]
        leading = [isinstance(block, Result) for block in blocks[: len(answered)]]
        if unknown := [use for use in answered if use not in open_]:
            raise invalid(
                f"messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks:"
                f" {', '.join(unknown)}"
            )
        if len(set(answered)) != len(answered):
            raise invalid(f"messages.{index}: each tool_use must have a single result")
        if set(answered) != set(open_) or not all(leading):
            raise invalid(
                f"messages.{index}: `tool_use` ids were found without `tool_result` blocks"
                f" immediately after: {', '.join(open_)}"
            )
        open_ = [block.id for block in blocks if isinstance(block, Use)]
        if role == "assistant" and (set(open_) & seen or len(set(open_)) != len(open_)):
            raise invalid(f"messages.{index}: `tool_use` ids must be unique")
        seen |= set(open_)
    if seen and not body.tools:
        raise invalid("Requests which include `tool_use` blocks must define tools")


def _check_cache_marks(body: Body) -> None:
    marks = json.dumps(body.model_dump(exclude_none=True)).count('"cache_control": {')
    if marks > MAX_CACHE_MARKS:
        raise invalid(f"A maximum of {MAX_CACHE_MARKS} blocks with cache_control may be provided")
