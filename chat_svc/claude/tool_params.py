"""The tools as the Messages API wants them described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from chat_svc.tools import TOOLS, InvokeAgent

if TYPE_CHECKING:
    from anthropic.types import ToolParam
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

OPEN = frozenset({InvokeAgent})
"""Tools whose input the API cannot force into shape: each agent's payload has a shape of its own.

What a model gets wrong in these is refused by the tool and mended by the model.
"""


class _Plain(GenerateJsonSchema):
    """JSON Schemas without what tells a model nothing: titles made of names, null as default."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def tool_params() -> list[ToolParam]:
    """Every tool, always in the same order, so that the API can cache them."""
    from anthropic import transform_schema  # noqa: PLC0415 - see Claude.__init__

    params: list[ToolParam] = []
    for name, tool in TOOLS.items():
        schema: dict[str, Any] = tool.model_json_schema(schema_generator=_Plain)
        del schema["title"]
        description = schema.pop("description")
        strict = tool not in OPEN
        params.append(
            {
                "name": name,
                "description": description,
                "input_schema": transform_schema(schema) if strict else schema,
                "strict": strict,
            }
        )
    return params
