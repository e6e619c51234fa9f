"""The shapes of server-sent events, for the OpenAPI document."""

from typing import Any

from pydantic.json_schema import models_json_schema

from contracts.base import Event
from contracts.catalogue import EVENTS

Json = dict[str, Any]

REF = "#/components/schemas/"
STREAM: Json = {
    "text/event-stream": {
        # Before OpenAPI 3.2 has a word for it, this is understood to be the schema of each event.
        "schema": {
            "type": "object",
            "required": ["data"],
            "properties": {
                "id": {"type": "string", "description": "Its place, for `Last-Event-ID`."},
                "event": {"type": "string", "enum": ["message", "notice"]},
                "retry": {"type": "integer"},
                "data": {
                    "type": "string",
                    "description": "A line of JSON. Skip an event whose `type` you do not know.",
                    "contentMediaType": "application/json",
                    "contentSchema": {
                        "anyOf": [{"$ref": f"{REF}StreamEvent"}, {"$ref": f"{REF}StreamNotice"}]
                    },
                },
            },
        }
    }
}
"""The content of an answer that is a stream of events."""
NOTICE: Json = {
    "type": "object",
    "description": "Something about the stream itself; it has no id.",
    "required": ["notice", "message"],
    "properties": {"notice": {"type": "string"}, "message": {"type": "string"}},
}
TEXT_OR_NULL: Json = {"type": ["string", "null"]}


def event_schemas() -> Json:
    """By name: each event, what a stream shows of it, and `StreamEvent`, which is any of them."""
    events = [event for some in EVENTS.values() for event in some]
    _, found = models_json_schema(
        [(event, "serialization") for event in events], ref_template=f"{REF}{{model}}"
    )
    frames = {f"Stream{event.__name__}": _frame(event) for event in events}
    union = {
        "description": "An event of the marketplace; `type` says which.",
        "oneOf": [{"$ref": f"{REF}{name}"} for name in frames],
        "discriminator": {
            "propertyName": "type",
            "mapping": {
                event.type: f"{REF}{name}" for name, event in zip(frames, events, strict=True)
            },
        },
    }
    return {**found["$defs"], **frames, "StreamEvent": union, "StreamNotice": NOTICE}


def _frame(event: type[Event]) -> Json:
    """As `live.LiveEvent` writes it."""
    properties: Json = {
        "type": {"type": "string", "const": event.type},
        "version": {"type": "integer", "const": event.version},
        "id": {"type": "string", "description": "The event's own id, whichever stream it is in."},
        "time": TEXT_OR_NULL | {"format": "date-time"},
        "subject": {"type": "string", "description": "What it is about: a task, an agent, a turn."},
        "taskId": TEXT_OR_NULL,
        "turnId": TEXT_OR_NULL,
        "service": TEXT_OR_NULL | {"description": "Which one tells it."},
        "cause": TEXT_OR_NULL | {"description": "The id of the event or order that it follows."},
        "data": {"$ref": f"{REF}{event.__name__}"},
    }
    return {"type": "object", "required": list(properties), "properties": properties}
