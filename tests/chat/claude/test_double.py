"""The double refuses what the real API refuses, and answers in its shape."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import httpx
import pytest

from tests.agents.serving import served
from tests.doubles.anthropic import KEY, Double, Failure, Reply, Use

Json = dict[str, Any]
HEADERS = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
TOOL = {"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "seen"}
GOOD: Json = {
    "model": "claude-test-1",
    "max_tokens": 100,
    "tools": [TOOL],
    "messages": [
        {"role": "user", "content": "Look!"},
        {"role": "assistant", "content": [{"type": "text", "text": "I look."}, USE]},
        {"role": "user", "content": [RESULT, {"type": "text", "text": "Well?"}]},
    ],
}
ANSWER = Reply(think="Hm.", say=["I see it."], use=[Use("look", {"where": "there"})])


@pytest.fixture(scope="module")
def double() -> Double:
    return Double(lambda _body: ANSWER)


@pytest.fixture(scope="module")
def api(double: Double) -> Iterator[httpx.Client]:
    with served(double.app()) as client:
        yield client


def post(api: httpx.Client, body: Json, **headers: str) -> httpx.Response:
    return api.post("/v1/messages", json=body, headers=HEADERS | headers)


def test_a_good_request_is_answered(api: httpx.Client) -> None:
    answer = post(api, GOOD)
    assert answer.status_code == 200
    body = answer.json()
    assert [block["type"] for block in body["content"]] == ["thinking", "text", "tool_use"]
    assert body["stop_reason"] == "tool_use"
    assert body["usage"]["input_tokens"] > 0
    assert answer.headers["request-id"].startswith("req_")
    assert "anthropic-ratelimit-tokens-remaining" in answer.headers
    bearer = {"authorization": f"Bearer {KEY}", "anthropic-version": "2023-06-01"}
    assert api.post("/v1/messages", json=GOOD, headers=bearer).status_code == 200


def _with(path: str, value: Any) -> Callable[[Json], None]:
    """Changes what is at a path such as `messages.0.content`."""

    def change(body: Json) -> None:
        *way, last = path.split(".")
        place: Any = body
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        if value is None:
            del place[int(last) if isinstance(place, list) else last]
        else:
            place[int(last) if isinstance(place, list) else last] = value

    return change


STRICT = {"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": False}
USER = {"role": "user", "content": "More."}
REFUSED: dict[str, tuple[Callable[[Json], None], str]] = {
    "no max_tokens": (_with("max_tokens", None), "max_tokens: Field required"),
    "max_tokens of 0": (_with("max_tokens", 0), "max_tokens"),
    "max_tokens as text": (_with("max_tokens", "100"), "max_tokens"),
    "max_tokens too high": (_with("max_tokens", 1_000_000), "max_tokens"),
    "no model": (_with("model", None), "model: Field required"),
    "no messages": (_with("messages", []), "messages"),
    "an unknown field": (_with("temprature", 1), "temprature: Extra inputs"),
    "an unknown role": (_with("messages.0.role", "system"), "messages.0.role"),
    "an assistant first": (_with("messages.0", None), "first message"),
    "an assistant last": (_with("messages.2", None), "prefill"),
    "an empty string": (_with("messages.0.content", ""), "non-empty content"),
    "an empty list": (_with("messages.0.content", []), "non-empty content"),
    "a blank text": (_with("messages.1.content.0.text", " \n"), "non-whitespace"),
    "an unknown block": (_with("messages.1.content.0.type", "poem"), "'poem'"),
    "a use by the user": (_with("messages.0.content", [USE]), "cannot be in role user"),
    "a result by the assistant": (_with("messages.1.content.1", RESULT), "cannot be in role"),
    "a result without a use": (_with("messages.1.content.1", None), "unexpected `tool_use_id`"),
    "a use without a result": (_with("messages.2.content.0", None), "without `tool_result`"),
    "a result that comes late": (
        _with("messages.2.content", [{"type": "text", "text": "Well?"}, RESULT]),
        "without `tool_result`",
    ),
    "a result in a later turn": (
        _with("messages.2", {"role": "user", "content": "Wait."}),
        "without `tool_result`",
    ),
    "two results of one use": (_with("messages.2.content.1", RESULT), "single result"),
    "a use twice": (_with("messages.1.content.0", USE), "must be unique"),
    "a bad use id": (_with("messages.1.content.1.id", "no blanks"), "pattern"),
    "a use without input": (_with("messages.1.content.1.input", None), "Field required"),
    "uses without tools": (_with("tools", []), "must define tools"),
    "a bad tool name": (_with("tools.0.name", "look around"), "pattern"),
    "two tools of a name": (_with("tools", [TOOL, TOOL]), "unique"),
    "a schema of no object": (_with("tools.0.input_schema.type", "string"), "'object'"),
    "a bad schema": (_with("tools.0.input_schema.required", "n"), "schema is invalid"),
    "an open strict schema": (_with("tools.0.strict", True), "additionalProperties"),
    "a keyword that strict has not": (
        _with("tools.0", TOOL | {"strict": True, "input_schema": STRICT | {"not": {}}}),
        "not supported in strict tools: not",
    ),
    "a choice of no tool": (_with("tool_choice", {"type": "tool", "name": "run"}), "'run' not"),
    "a choice without a name": (_with("tool_choice", {"type": "tool"}), "tool_choice.name"),
    "an unknown choice": (_with("tool_choice", {"type": "some"}), "tool_choice.type"),
    "a thought that was changed": (
        _with(
            "messages.1.content.0", {"type": "thinking", "thinking": "Hm!", "signature": "sig-1"}
        ),
        "Invalid `signature`",
    ),
    "too long a prompt": (_with("messages.0.content", "x" * 900_000), "prompt is too long"),
    "too many cache marks": (
        _with(
            "system",
            [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}] * 5,
        ),
        "maximum of 4",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_api_refuses_is_refused(api: httpx.Client, double: Double, what: str) -> None:
    change, told = REFUSED[what]
    body = deepcopy(GOOD)
    change(body)
    asked = len(double.asked)
    answer = post(api, body)
    assert answer.status_code == 400
    assert answer.json()["type"] == "error"
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert told in answer.json()["error"]["message"]
    assert len(double.asked) == asked


def test_two_messages_of_one_role_are_one(api: httpx.Client) -> None:
    split = deepcopy(GOOD)
    result, well = split["messages"].pop()["content"]
    split["messages"] += [{"role": "user", "content": [part]} for part in (result, well)]
    assert post(api, split).status_code == 200


def test_a_thought_is_taken_back_as_it_was(api: httpx.Client) -> None:
    body = deepcopy(GOOD)
    thought = post(api, GOOD).json()["content"][0]
    body["messages"][1]["content"].insert(0, thought)
    assert post(api, body).status_code == 200


def test_a_strict_tool_that_is_strict(api: httpx.Client) -> None:
    body = GOOD | {"tools": [TOOL | {"strict": True, "input_schema": STRICT}]}
    assert post(api, body).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status", "told"),
    [
        ({"x-api-key": ""}, 401, "invalid x-api-key"),
        ({"x-api-key": "sk-ant-other"}, 401, "invalid x-api-key"),
        ({"anthropic-version": "2022-01-01"}, 400, "not a valid version"),
        ({"anthropic-version": ""}, 400, "not a valid version"),
        ({"content-type": "text/plain"}, 400, "content-type"),
    ],
)
def test_headers(api: httpx.Client, headers: dict[str, str], status: int, told: str) -> None:
    answer = post(api, GOOD, **headers)
    assert answer.status_code == status
    assert told in answer.json()["error"]["message"]
    assert answer.json()["request_id"] == answer.headers["request-id"]


def test_headers_that_are_missing(api: httpx.Client) -> None:
    for name in HEADERS:
        headers = {key: value for key, value in HEADERS.items() if key != name}
        assert api.post("/v1/messages", json=GOOD, headers=headers).status_code in {400, 401}


def test_a_model_that_does_not_exist(api: httpx.Client) -> None:
    answer = post(api, GOOD | {"model": "gpt-1"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")


def test_a_stream_has_all_events_in_order(api: httpx.Client) -> None:
    answer = post(api, GOOD | {"stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = []
    for part in answer.text.strip().split("\n\n"):
        name, data = part.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    names = [event["type"] for event in events]
    assert names[:2] == ["message_start", "ping"]
    assert names[-2:] == ["message_delta", "message_stop"]
    assert names.count("content_block_start") == names.count("content_block_stop") == 3
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert "".join(delta.get("text", "") for delta in deltas) == "I see it."
    written = "".join(delta.get("partial_json", "") for delta in deltas)
    assert json.loads(written) == {"where": "there"}
    assert events[-2]["delta"]["stop_reason"] == "tool_use"
    assert events[-2]["usage"]["output_tokens"] > 0


def test_an_error_has_the_api_s_shape(api: httpx.Client, double: Double) -> None:
    failure = Failure(429, "rate_limit_error", "Slow down.", {"retry-after": "4"})
    double.script = lambda _body: Reply(failure=failure)
    answer = post(api, GOOD)
    double.script = lambda _body: ANSWER
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "4"
    assert answer.json()["error"] == {"type": "rate_limit_error", "message": "Slow down."}
