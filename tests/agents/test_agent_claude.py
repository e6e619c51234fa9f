"""With a key the summarizer and the translator ask Claude: against a strict double of its API."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from agents import summarizer, translator
from agents.settings import Settings
from tests.agents.serving import Serve

KEY = "test-key"
MODEL = "claude-test-1"
SETTINGS = Settings(anthropic_api_key=KEY, anthropic_model=MODEL)


class Api:
    """POST /v1/messages as documented; it refuses whatever is not."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.status = 200
        self.stop_reason = "end_turn"
        self.content: list[dict[str, Any]] = [{"type": "text", "text": "Bonjour."}]

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/messages")
        async def messages(request: Request) -> JSONResponse:
            body = await request.json()
            problem = self.problem(request, body)
            self.asked.append(body)
            if problem:
                return self.error(400, "invalid_request_error", problem)
            if self.status != 200:
                return self.error(self.status, "api_error", "the double fails as it was told")
            return JSONResponse(
                {
                    "id": "msg_1",
                    "type": "message",
                    "role": "assistant",
                    "model": body["model"],
                    "content": self.content,
                    "stop_reason": self.stop_reason,
                    "stop_sequence": None,
                    "usage": {"input_tokens": 1, "output_tokens": 1},
                }
            )

        return app

    @staticmethod
    def problem(request: Request, body: dict[str, Any]) -> str:
        """What is wrong with the request, "" if nothing is."""
        # Newer versions of the library send the key as a bearer token, older ones as x-api-key.
        keys = {request.headers.get("x-api-key"), request.headers.get("authorization")} - {None}
        roles = [message.get("role") for message in body.get("messages", [])]
        contents = [message.get("content") for message in body.get("messages", [])]
        checks = {
            "key": keys in ({KEY}, {f"Bearer {KEY}"}),
            "version": re.fullmatch(
                r"\d{4}-\d{2}-\d{2}", request.headers.get("anthropic-version", "")
            ),
            "type": request.headers.get("content-type") == "application/json",
            "fields": set(body) == {"model", "max_tokens", "system", "messages"},
            "max_tokens": type(body.get("max_tokens")) is int and 1 <= body["max_tokens"] <= 32_000,
            "system": isinstance(body.get("system"), str) and body["system"],
            "roles": roles == ["user"],
            "content": all(isinstance(content, str) and content for content in contents),
        }
        return ", ".join(name for name, fulfilled in checks.items() if not fulfilled)

    @staticmethod
    def error(status: int, kind: str, message: str) -> JSONResponse:
        return JSONResponse({"type": "error", "error": {"type": kind, "message": message}}, status)


@pytest.fixture(scope="module")
def double() -> Api:
    return Api()


@pytest.fixture(scope="module")
def clients(serve_for_module: Serve, double: Api) -> Iterator[dict[str, httpx.Client]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANTHROPIC_BASE_URL", str(serve_for_module(double.app()).base_url))
        patch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
        yield {
            agent.__name__.removeprefix("agents."): serve_for_module(agent.build(SETTINGS))
            for agent in (summarizer, translator)
        }


@pytest.fixture
def api(double: Api) -> Api:
    vars(double).update(vars(Api()))
    return double


def test_the_summarizer_asks_claude(api: Api, clients: dict[str, httpx.Client]) -> None:
    api.content = [{"type": "thinking", "thinking": "...", "signature": ""}, *api.content]
    payload = {"text": "A long text.", "max_length": 17}
    answer = clients["summarizer"].post("/execute", json=payload).raise_for_status().json()
    assert answer["result"] == "Bonjour."
    assert answer["engine"] == f"anthropic:{MODEL}"
    assert answer["cost"] == 0.05024
    assert clients["summarizer"].get("/info").json()["engine"] == f"anthropic:{MODEL}"
    [asked] = api.asked
    assert asked["model"] == MODEL
    assert "17 words" in asked["system"]
    assert asked["messages"] == [{"role": "user", "content": "A long text."}]


def test_the_translator_asks_claude_for_any_language(
    api: Api, clients: dict[str, httpx.Client]
) -> None:
    payload = {"text": "Good morning", "target_language": "Japanese", "source_language": "en"}
    answer = clients["translator"].post("/execute", json=payload).raise_for_status().json()
    assert answer["result"] == "Bonjour."
    assert answer["engine"] == f"anthropic:{MODEL}"
    [asked] = api.asked
    assert "from the language en into the language ja" in asked["system"]
    assert asked["messages"] == [{"role": "user", "content": "Good morning"}]


@pytest.mark.parametrize("name", ["summarizer", "translator"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"status": 401}, "the double fails as it was told"),
        ({"status": 404}, "the double fails as it was told"),
        ({"stop_reason": "max_tokens"}, "max_tokens"),
        ({"stop_reason": "refusal"}, "refusal"),
        ({"content": []}, "stopped before the end"),
    ],
)
def test_a_failing_claude_is_told_and_never_replaced(
    api: Api, clients: dict[str, httpx.Client], name: str, change: dict[str, Any], told: str
) -> None:
    vars(api).update(change)
    answer = clients[name].post("/execute", json={"text": "Good morning"})
    assert answer.status_code == 503
    assert MODEL in answer.json()["detail"]
    assert told in answer.json()["detail"]


def test_an_overloaded_claude_is_asked_again_once(
    api: Api, clients: dict[str, httpx.Client]
) -> None:
    api.status = 529
    assert clients["translator"].post("/execute", json={"text": "hello"}).status_code == 503
    assert len(api.asked) == 2


def test_an_unreachable_claude_is_told(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    client = serve(summarizer.build(SETTINGS))
    answer = client.post("/execute", json={"text": "Good morning"})
    assert answer.status_code == 503
    assert "APIConnectionError" in answer.json()["detail"]


def test_the_key_stays_out_of_logs_and_reprs() -> None:
    assert KEY not in repr(SETTINGS)
