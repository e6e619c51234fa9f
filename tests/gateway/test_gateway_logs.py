"""What goes wrong is in the log, and what callers and services said is not."""

import json
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, ValidationError
from structlog.testing import capture_logs

from contracts.chat import POST_MESSAGE, TurnCompleted
from contracts.registry import GET_AGENT
from gateway import asking
from gateway.faults import told, where
from tests.gateway import samples
from tests.support.gateways import StandIns, assert_problem, gateway_settings, serving

SECRET = "nobody else's business"


class Shape(BaseModel):
    number: int
    names: dict[str, int]


def test_an_error_is_told_without_what_it_is_about() -> None:
    try:
        Shape.model_validate({"number": SECRET, "names": {SECRET: SECRET}})
    except ValidationError as error:
        text = told(error)
    assert text == "ValidationError of Shape: number int_parsing, names int_parsing"
    assert told(RuntimeError(SECRET)) == "RuntimeError"
    assert told(None) == "NoneType"


async def test_what_nobody_expected_is_told_by_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_args: object) -> Any:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(asking, "origin", fails)
    with capture_logs() as log, serving(gateway_settings("nats://127.0.0.1:1")) as served:
        async with served.client() as http:
            headers = {"X-Private": SECRET, "Authorization": f"Bearer {SECRET}"}
            answer = await http.get(f"/api/agents?cursor=a{len(SECRET)}", headers=headers)
    assert_problem(answer, 500)
    [line] = [line for line in log if line["event"] == "request failed"]
    assert (line["route"], line["error"]) == ("/api/agents", "RuntimeError")
    assert line["at"][-1].endswith(" fails")
    assert SECRET not in json.dumps(log, default=str)


async def test_a_reply_of_another_shape_is_not_in_the_log(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await services.answer(GET_AGENT, json.dumps({"agent": {"name": SECRET}}).encode())
    with capture_logs() as log:
        assert_problem(await http.get("/api/agents/a1"), 500)
    [line] = [line for line in log if line["event"] == "refused"]
    assert "missing" in line["why"]
    assert SECRET not in json.dumps(log, default=str)


async def test_an_event_of_another_shape_is_not_in_the_log(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    async def ended(request: Any) -> Any:
        broken = json.dumps({"turnId": request.turn_id, "message": SECRET}).encode()
        await services.client.publish(f"bazaar.evt.{TurnCompleted.type}.{request.turn_id}", broken)
        await services.publish(samples.turn_end(request.turn_id))
        return samples.posted(request)

    await services.answer(POST_MESSAGE, ended)
    with capture_logs() as log:
        said = await http.post("/api/hubchat/message", json={"content": "hello"})
    assert said.json()["done"] is True
    assert [line for line in log if line["event"] == "event of another shape"]
    assert SECRET not in json.dumps(log, default=str)


def test_places_are_lines_of_code() -> None:
    try:
        int(SECRET)
    except ValueError as error:
        places = where(error)
    assert len(places) == 1
    assert places[0].startswith(__file__)
