"""What all six agents show over HTTP, against the table that the marketplace relies on."""

import importlib
import random
from typing import Any

import httpx
import pytest

from agents.service import MAX_BODY_BYTES
from agents.settings import Settings
from tests.agents.serving import Serve

TABLE: dict[str, tuple[list[str], float, dict[str, Any], dict[str, Any]]] = {
    # agent: skills, base price, the payload's fields with their defaults, a valid payload
    "summarizer": (
        ["summarize", "analyze", "condense"],
        0.05,
        {"text": ..., "max_length": 100},
        {"text": "One sentence. Another one."},
    ),
    "translator": (
        ["translate", "language_detection", "localization"],
        0.10,
        {"text": ..., "target_language": "es", "source_language": "auto"},
        {"text": "hello", "target_language": "de"},
    ),
    "search": (
        ["search", "research", "synthesis", "citation"],
        0.08,
        {"query": ..., "num_results": 5},
        {"query": "chess"},
    ),
    "mock_busy": (["general"], 0.12, {"task": ...}, {"task": "tidy up"}),
    "mock_highprice": (
        ["premium"],
        0.85,
        {"task": ..., "negotiated_price": None},
        {"task": "tidy up"},
    ),
    "mock_negotiator": (
        ["negotiable"],
        0.60,
        {"task": ..., "offered_price": None},
        {"task": "tidy up"},
    ),
}


async def no_sleep(_seconds: float) -> None:
    return None


def build(name: str) -> Any:
    settings = Settings(busy_rate=0, search_engine="local")
    module = importlib.import_module(f"agents.{name}")
    if name == "mock_busy":
        return module.build(settings, rng=random.Random(1), sleep=no_sleep)
    return module.build(settings)


@pytest.fixture(scope="module")
def clients(serve_for_module: Serve) -> dict[str, httpx.Client]:
    return {name: serve_for_module(build(name)) for name in TABLE}


@pytest.mark.parametrize("name", TABLE)
def test_info(clients: dict[str, httpx.Client], name: str) -> None:
    skills, base_price, fields, _ = TABLE[name]
    info = clients[name].get("/info").raise_for_status().json()
    assert info["agent_type"] == name
    assert info["skills"] == skills
    assert info["base_price"] == base_price
    assert info["negotiable"] is (name in {"mock_highprice", "mock_negotiator"})
    assert info["name"]
    assert info["description"]
    assert info["engine"]
    schema = info["input_schema"]
    assert {
        field: description.get("default", ...)
        for field, description in schema["properties"].items()
    } == fields
    assert schema["required"] == [field for field, default in fields.items() if default is ...]


def test_the_summarizers_limit_is_in_words(clients: dict[str, httpx.Client]) -> None:
    schema = clients["summarizer"].get("/info").json()["input_schema"]
    assert "words" in schema["properties"]["max_length"]["description"]


@pytest.mark.parametrize("name", TABLE)
def test_health(clients: dict[str, httpx.Client], name: str) -> None:
    health = clients[name].get("/health").raise_for_status().json()
    assert health["agent"] == name
    assert health["status"] in {"healthy", "degraded"}
    for path in ("/health", "/info"):
        head = clients[name].head(path)
        assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize("name", TABLE)
def test_execute(clients: dict[str, httpx.Client], name: str) -> None:
    _, base_price, _, payload = TABLE[name]
    answer = clients[name].post("/execute", json=payload | {"unknown": 1}).raise_for_status().json()
    assert isinstance(answer["result"], str)
    assert answer["result"]
    assert answer["cost"] >= base_price
    assert answer["cost"] == round(answer["cost"], 6)
    assert answer["subtask_type"]
    assert answer["engine"]
    assert answer["requires_external_tool"] is (name == "search")
    assert (answer["external_cost"] > 0) is (name == "search")
    assert ("vendor" in answer) is (name == "search")


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("blank", ["", " \n\t"])
def test_a_blank_text_is_refused(clients: dict[str, httpx.Client], name: str, blank: str) -> None:
    _, _, fields, payload = TABLE[name]
    first = next(iter(fields))
    answer = clients[name].post("/execute", json=payload | {first: blank})
    assert answer.status_code == 422
    assert first in answer.json()["detail"]


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{", 400), (b"\xff", 400), (b"[]", 422), (b"null", 422), (b"{}", 422)],
)
def test_a_wrong_body_is_refused(
    clients: dict[str, httpx.Client], name: str, body: bytes, status: int
) -> None:
    answer = clients[name].post("/execute", content=body)
    assert answer.status_code == status
    assert isinstance(answer.json()["detail"], str)


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("summarizer", {"text": 7}),
        ("summarizer", {"text": "x", "max_length": 0}),
        ("summarizer", {"text": "x", "max_length": "many"}),
        ("translator", {"text": "x", "target_language": ""}),
        ("search", {"query": "x", "num_results": 0}),
        ("search", {"query": "x", "num_results": 21}),
        ("mock_highprice", {"task": "x", "negotiated_price": -1}),
        ("mock_highprice", {"task": "x", "negotiated_price": "NaN"}),
        ("mock_negotiator", {"task": "x", "offered_price": 1e300}),
    ],
)
def test_wrong_fields_are_refused(
    clients: dict[str, httpx.Client], name: str, payload: dict[str, Any]
) -> None:
    answer = clients[name].post("/execute", json=payload)
    assert answer.status_code == 422
    assert list(payload)[-1] in answer.json()["detail"]


def test_the_refusal_does_not_repeat_the_input(clients: dict[str, httpx.Client]) -> None:
    answer = clients["search"].post("/execute", json={"query": "secret" * 1000})
    assert answer.status_code == 422
    assert "secret" not in answer.text


def body_of(size: int) -> bytes:
    return b'{"task": "' + b"a" * (size - 12) + b'"}'


def test_the_largest_body_is_taken(clients: dict[str, httpx.Client]) -> None:
    answer = clients["mock_highprice"].post("/execute", content=body_of(MAX_BODY_BYTES))
    assert answer.status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_larger_body_is_refused(clients: dict[str, httpx.Client], chunked: bool) -> None:
    body = body_of(MAX_BODY_BYTES + 1)
    content = iter([body[:1000], body[1000:]]) if chunked else body
    answer = clients["mock_highprice"].post("/execute", content=content)
    assert answer.status_code == 413
    assert answer.json()["detail"]


def test_unknown_routes_and_methods_answer_json(clients: dict[str, httpx.Client]) -> None:
    assert clients["search"].get("/nothing").json() == {"detail": "Not Found"}
    assert clients["search"].get("/execute").status_code == 405
    assert clients["search"].post("/negotiate", json={}).status_code == 404
