"""With a key the summarizer and the translator ask Claude: against a strict double of its API."""

from collections.abc import Iterator

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from agents import summarizer, translator
from agents.engines.claude import DEADLINE_SECONDS, Claude
from agents.errors import UnavailableError
from agents.settings import Settings
from task_svc.settings import Settings as TaskSettings
from tests.agents.serving import Serve
from tests.doubles.anthropic import Double, Failure, Reply

KEY = "test-key"
MODEL = "claude-test-1"
SETTINGS = Settings(anthropic_api_key=KEY, anthropic_model=MODEL)


BONJOUR = Reply(say=["Bonjour."])


def failure(status: int, kind: str) -> Reply:
    return Reply(failure=Failure(status, kind, "the double fails as it was told"))


@pytest.fixture(scope="module")
def double() -> Double:
    return Double(lambda _body: BONJOUR, KEY)


@pytest.fixture(scope="module")
def clients(serve_for_module: Serve, double: Double) -> Iterator[dict[str, httpx.Client]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANTHROPIC_BASE_URL", str(serve_for_module(double.app()).base_url))
        patch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
        yield {
            agent.__name__.removeprefix("agents."): serve_for_module(agent.build(SETTINGS))
            for agent in (summarizer, translator)
        }


@pytest.fixture
def api(double: Double) -> Double:
    double.asked.clear()
    double.script = lambda _body: BONJOUR
    return double


def test_the_summarizer_asks_claude(api: Double, clients: dict[str, httpx.Client]) -> None:
    api.script = lambda _body: Reply(think="...", say=["Bonjour."])
    payload = {"text": "A long text.", "max_length": 17}
    answer = clients["summarizer"].post("/execute", json=payload).raise_for_status().json()
    assert answer["result"] == "Bonjour."
    assert answer["engine"] == f"anthropic:{MODEL}"
    assert answer["cost"] == 0.05024
    assert clients["summarizer"].get("/info").json()["engine"] == f"anthropic:{MODEL}"
    [asked] = api.asked
    assert asked.model == MODEL
    assert "17 words" in asked.system
    assert [(one.role, one.content) for one in asked.messages] == [("user", "A long text.")]


def test_the_translator_asks_claude_for_any_language(
    api: Double, clients: dict[str, httpx.Client]
) -> None:
    payload = {"text": "Good morning", "target_language": "Japanese", "source_language": "en"}
    answer = clients["translator"].post("/execute", json=payload).raise_for_status().json()
    assert answer["result"] == "Bonjour."
    assert answer["engine"] == f"anthropic:{MODEL}"
    [asked] = api.asked
    assert "from the language en into the language ja" in asked.system
    assert [(one.role, one.content) for one in asked.messages] == [("user", "Good morning")]


@pytest.mark.parametrize("name", ["summarizer", "translator"])
@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (failure(401, "authentication_error"), "the double fails as it was told"),
        (failure(404, "not_found_error"), "the double fails as it was told"),
        (Reply(say=["Bon"], stop_reason="max_tokens"), "max_tokens"),
        (Reply(say=["No."], stop_reason="refusal"), "refusal"),
        (Reply(), "stopped before the end"),
    ],
)
def test_a_failing_claude_is_told_and_never_replaced(
    api: Double, clients: dict[str, httpx.Client], name: str, reply: Reply, told: str
) -> None:
    api.script = lambda _body: reply
    answer = clients[name].post("/execute", json={"text": "Good morning"})
    assert answer.status_code == 503
    assert MODEL in answer.json()["detail"]
    assert told in answer.json()["detail"]


def test_an_overloaded_claude_is_asked_again_once(
    api: Double, clients: dict[str, httpx.Client]
) -> None:
    api.script = lambda _body: failure(529, "overloaded_error")
    assert clients["translator"].post("/execute", json={"text": "hello"}).status_code == 503
    assert len(api.asked) == 2


ODD = [
    "<html>Please log in</html>",
    "[]",
    "null",
    "{",
    '{"content": null, "stop_reason": "end_turn"}',
    '{"content": [{"type": "text"}], "stop_reason": "end_turn"}',
    '{"content": [{"type": "holo", "text": 5}], "stop_reason": "end_turn"}',
    '{"content": [{"type": "text", "text": null}], "stop_reason": "end_turn"}',
    '{"content": ["Bonjour."], "stop_reason": "end_turn"}',
]


@pytest.mark.parametrize("body", ODD)
@pytest.mark.parametrize("media_type", ["application/json", "text/html"])
def test_an_answer_that_makes_no_sense_is_told(
    api: Double, clients: dict[str, httpx.Client], body: str, media_type: str
) -> None:
    api.script = lambda _body: Reply(raw=body, media_type=media_type)
    answer = clients["translator"].post("/execute", json={"text": "hello"})
    assert answer.status_code == 503
    assert MODEL in answer.json()["detail"]


@pytest.mark.parametrize("waits", ["3600", "no answer at all"])
async def test_a_claude_that_has_us_wait_is_not_waited_for(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, waits: str
) -> None:
    """The library waits as long as it is told to, whatever its own time-out is."""
    busy = Failure(429, "rate_limit_error", "later", {"retry-after": waits})
    reply = Reply(hang=True) if waits == "no answer at all" else Reply(failure=busy)
    double = Double(lambda _body: reply, KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", str(serve(double.app()).base_url))
    claude = Claude(KEY, MODEL, deadline=0.5)
    context = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1))
    with (
        pytest.raises(UnavailableError, match="TimeoutError"),
        trace.use_span(NonRecordingSpan(context)),
    ):
        await claude.ask("Translate.", "hello", max_tokens=10)
    assert all("traceparent" not in headers for headers in double.headers)


def test_the_whole_call_ends_before_nobody_waits_any_more() -> None:
    assert TaskSettings.model_fields["agent_timeout_s"].default > DEADLINE_SECONDS


def test_an_unreachable_claude_is_told(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    client = serve(summarizer.build(SETTINGS))
    answer = client.post("/execute", json={"text": "Good morning"})
    assert answer.status_code == 503
    assert "APIConnectionError" in answer.json()["detail"]


def test_the_key_stays_out_of_logs_and_reprs() -> None:
    assert KEY not in repr(SETTINGS)
