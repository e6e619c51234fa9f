"""What event streams say has the shapes that the OpenAPI document promises."""

import json
from typing import Any

from jsonschema import Draft202012Validator

from tests.contract_http.system import Door


async def _said(door: Door, path: str, until: str) -> list[Any]:
    """What a stream tells from the beginning, up to an event of the type `until`."""
    found = []
    async with (
        door.client() as http,
        http.stream("GET", path, headers={"Last-Event-ID": "0"}) as answer,
    ):
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line.removeprefix("data: ")))
                if found[-1].get("type") == until:
                    return found
    raise AssertionError(f"{until} was not said")


async def test_events_have_the_shapes_of_the_document(door: Door) -> None:
    async with door.client() as http:
        document = (await http.get("/openapi.json")).json()
        call = {"agentId": "translator", "payload": {"text": "hello"}}
        answer = await http.post("/api/invoke-agent", json=call)
        assert answer.status_code == 200, answer.text
    shape = Draft202012Validator(
        {"$ref": "#/components/schemas/StreamEvent", "components": document["components"]}
    )

    said = await _said(door, "/api/events", "payment.recorded")

    for event in said:
        shape.validate(event)
    types = {event["type"] for event in said}
    assert {"agent.registered", "message.posted", "step.completed", "hold.placed"} <= types
    assert not shape.is_valid({**said[-1], "type": "step.completed"})
