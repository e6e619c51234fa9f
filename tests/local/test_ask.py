"""`make ask`, against a small gateway over real HTTP."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deploy.local import ask
from deploy.local.ports import free_port

ANSWER: dict[str, object] = {
    "id": "m2",
    "role": "assistant",
    "content": "hola\x1b[31m",
    "taskId": "t1",
    "costBreakdown": {
        "subtasks": [{"agent": "Translator", "cost": 0.1}, {"agent": "Search", "cost": 0.13}],
        "total": 0.23,
    },
}
QUESTION: dict[str, object] = {
    "id": "m1",
    "role": "user",
    "content": "?",
    "taskId": None,
    "costBreakdown": None,
}
STEPS = [
    {
        "agentId": "a1",
        "subtaskType": "translation",
        "status": "completed",
        "cost": 0.1,
        "externalCost": 0,
        "executionTime": 12,
    },
    {
        "agentId": "a9",
        "subtaskType": "search",
        "status": "failed",
        "cost": 0.08,
        "externalCost": 0.05,
        "executionTime": None,
    },
]


class Gateway:
    """What the stand-in answers, and what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.posted: list[object] = []
        self.post_answer: tuple[int, object] = (200, {"message": ANSWER})
        self.messages: list[dict[str, object]] = []
        self.later: list[dict[str, object]] = []
        """Messages that appear only after the question."""

    def get(self, path: str) -> object:
        return {
            "/api/messages": self.messages,
            "/api/tasks/t1/steps": STEPS,
            "/api/agents": [{"id": "a1", "name": "Translator"}],
        }[path.partition("?")[0]]


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    state = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, state.get(self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.posted.append(json.loads(body))
            state.messages = state.messages + state.later
            self._send(*state.post_answer)

        def _send(self, status: int, body: object) -> None:
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *args: object) -> None:
            """Keeps the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


async def test_prints_the_answer_the_steps_and_the_bill(gateway: Gateway) -> None:
    text = await ask.ask(gateway.url, 'it\'s "5" $x')
    assert gateway.posted == [{"content": 'it\'s "5" $x'}]
    assert text.splitlines() == [
        "hola[31m",
        "",
        "Steps",
        "  Translator  translation  completed  0.1 BazaarBucks   12 ms",
        "  a9          search       failed     0.13 BazaarBucks",
        "",
        "Bill",
        "  Translator  0.1 BazaarBucks",
        "  Search      0.13 BazaarBucks",
        "  total       0.23 BazaarBucks",
    ]


async def test_waits_for_an_answer_that_comes_after_the_post(gateway: Gateway) -> None:
    old = {**ANSWER, "id": "m0", "content": "an old answer"}
    gateway.messages = [old]
    gateway.later = [QUESTION, {**ANSWER, "id": "mx", "taskId": "other"}, ANSWER]
    gateway.post_answer = (200, {"success": True, "done": False, "taskId": "t1", "message": None})
    text = await ask.ask(gateway.url, "?")
    assert text.startswith("hola")


async def test_an_answer_without_a_task_has_no_steps_and_no_bill(gateway: Gateway) -> None:
    plain = {**ANSWER, "content": "Six agents.", "taskId": None, "costBreakdown": None}
    gateway.post_answer = (200, {"message": plain})
    assert await ask.ask(gateway.url, "What agents are available?") == "Six agents."


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ((402, {"error": "The wallet is empty."}), r"The wallet is empty. \(HTTP 402\)"),
        ((502, "nonsense"), r"The gateway refused \(HTTP 502\)"),
    ],
)
async def test_a_refusal_is_told(
    gateway: Gateway, answer: tuple[int, object], complaint: str
) -> None:
    gateway.post_answer = answer
    with pytest.raises(ask.AskError, match=complaint):
        await ask.ask(gateway.url, "?")


def test_says_so_when_nothing_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWAY_PORT", str(free_port()))
    monkeypatch.setenv("Q", "hello")
    monkeypatch.setattr("sys.argv", ["ask"])
    assert ask.main() == 1
    assert "AgentBazaar is not running" in capsys.readouterr().err


def test_the_question_comes_from_the_environment_and_must_be_there(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWAY_PORT", gateway.url.rpartition(":")[2])
    monkeypatch.setattr("sys.argv", ["ask"])
    monkeypatch.setenv("Q", "say hola")
    assert ask.main() == 0
    assert gateway.posted == [{"content": "say hola"}]
    monkeypatch.setenv("Q", "  ")
    assert ask.main() == 2
    assert "make ask" in capsys.readouterr().err
