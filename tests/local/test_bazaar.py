"""`bazaar`, against a small gateway over real HTTP: what it prints, and how it ends."""

import json
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from cli.errors import NO_KEY, Code
from cli.main import main
from deploy.local.ports import free_port
from deploy.local.settings import PROJECT
from tests.agents.serving import served
from tests.local.test_ask import END, event
from tests.local.test_ask import Gateway as Chat

Json = dict[str, Any]
AGENT: Json = {
    "id": "a1",
    "name": "Evil\x1b[31m \u202eAgent",
    "skills": ["translate"],
    "basePrice": 0.1,
    "dynamicPrice": 0.15,
    "load": 3,
    "rating": 4.5,
    "availability": True,
}
EARNED: Json = {
    "agentId": "a1",
    "day": "2026-01-02",
    "jobs": 3,
    "faults": 1,
    "charged": 0.3,
    "fees": 0.03,
    "refunded": 0.0,
    "earned": 0.27,
}
PAYOUT: Json = {
    "id": "o1",
    "amount": 2.0,
    "status": "failed",
    "note": "No such account.",
    "createdAt": "2026-01-02T03:04:05Z",
}
TOLD = [
    {
        "id": "e1",
        "type": "task.created",
        "time": "2026-01-02T03:04:05Z",
        "service": "task",
        "taskId": "t1",
        "data": {},
    },
    {
        "id": "e2",
        "cause": "e1",
        "service": "task",
        "type": "step.completed",
        "time": "2026-01-02T03:04:05.250Z",
        "taskId": "t1",
        "data": {"agentId": "a1", "cost": "0.1"},
    },
]


BARE = """
import sys
for name in ("asyncpg", "pycurl", "fastapi"):
    sys.modules[name] = None
from cli.main import main
for argv in (["up"], ["keys", "list"], ["agents", "check", "http://localhost"], ["doctor"]):
    assert main(argv) == 1, argv
assert main(["tasks"]) == 0
"""
"""A program in an installation that has no drivers, no servers, and nothing that calls agents."""


LETTERS = [
    {"number": 1100 - at, "consumer": "c", "subject": "s", "error": "no"} for at in range(1100)
]


def paged(request: Request) -> JSONResponse:
    """A page of the letters, with the way to the next one as the gateway writes it."""
    at, limit = int(request.query_params.get("cursor", "0")), int(request.query_params["limit"])
    assert limit <= 500
    end = at + limit
    link = f'<{request.url.path}?limit={limit}&cursor={end}>; rel="next"'
    return JSONResponse(LETTERS[at:end], headers={"Link": link} if end < len(LETTERS) else {})


class Gateway:
    """Answers as the gateway does, strictly: what it does not know is a 404.

    Attributes:
        asked: method, path and body of each request.
        refuse: the status and sentence to refuse everything with.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str, Any]] = []
        self.refuse: tuple[int, str] | None = None
        self.key: str | None = None

    def app(self) -> FastAPI:
        app = FastAPI()
        lists: Json = {
            "GET /api/agents": [AGENT],
            "GET /api/tasks": [],
            "GET /health": {
                "status": "degraded",
                "services": {"chat": {"status": "down", "ms": None, "detail": "nobody there"}},
            },
            "POST /api/agents": AGENT,
            "PATCH /api/agents/a1": AGENT | {"basePrice": 0.2},
            "POST /api/agents/import": [AGENT | {"protocol": "a2a"}],
            "POST /api/agents/a1/suspend": AGENT | {"state": "suspended"},
            "DELETE /api/agents/a1": AGENT | {"state": "retired"},
            "GET /api/seller": {"available": 2.0, "onboarding": "incomplete", "needs": ["a bank"]},
            "GET /api/seller/earnings": [EARNED],
            "GET /api/seller/payouts": [PAYOUT],
            "POST /api/seller/payouts": PAYOUT,
            "POST /api/seller/onboarding": {"url": "https://connect.stripe.example/setup/1"},
            "POST /api/payments/bazaarbucks/p1/refund": {"id": "r1", "amount": 0.5, "taskId": "t1"},
        }

        @app.api_route("/{path:path}", methods=["GET", "POST", "PATCH", "DELETE"])
        async def answer(request: Request) -> Any:
            body = json.loads(await request.body() or b"null")
            self.asked.append((request.method, request.scope["raw_path"].decode(), body))
            self.key = request.headers.get("authorization")
            if self.refuse:
                status, said = self.refuse
                return JSONResponse({"error": said}, status, {"x-request-id": "r" * 32})
            if request.url.path == "/api/tasks/t1/events":
                frames = ": hello\n\n" + "".join(f"data: {json.dumps(one)}\n\n" for one in TOLD)
                notice = 'event: notice\ndata: {"notice": "stopping"}\n\n'
                return StreamingResponse(iter([frames, notice]), media_type="text/event-stream")
            if request.url.path == "/api/dead-letters":
                return paged(request)
            found = lists.get(f"{request.method} {request.url.path}")
            return JSONResponse({"error": "Not here"}, 404) if found is None else found

        return app


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Gateway]:
    found = Gateway()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("BAZAAR_KEY", raising=False)
    with served(found.app()) as client:
        found.url = str(client.base_url)
        monkeypatch.setenv("BAZAAR_URL", found.url)
        yield found


Said = pytest.CaptureFixture[str]


@pytest.mark.usefixtures("gateway")
def test_agents_are_shown_to_people_and_to_programs(capsys: Said) -> None:
    assert main(["agents", "list"]) == 0
    out = capsys.readouterr().out
    assert "a1" in out
    assert "0.15" in out
    assert not {"\x1b", "\u202e"} & set(out)
    assert main(["--json", "agents", "list"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out) == [AGENT]
    assert not {"\x1b", "\u202e"} & set(out)


@pytest.mark.usefixtures("gateway")
def test_an_empty_list_is_no_failure(capsys: Said) -> None:
    assert main(["tasks"]) == 0
    assert capsys.readouterr().out == ""


def test_a_list_is_as_long_as_was_asked_for(gateway: Gateway, capsys: Said) -> None:
    """Page by page, where one does not hold it."""
    for limit, pages in ((3, 1), (1000, 2), (5000, 3)):
        gateway.asked.clear()
        assert main(["--json", "dead-letters", "list", "--limit", str(limit)]) == 0
        assert json.loads(capsys.readouterr().out) == LETTERS[:limit]
        assert len(gateway.asked) == pages


@pytest.mark.usefixtures("gateway")
def test_a_service_that_is_down_is_said_by_the_exit_code(capsys: Said) -> None:
    assert main(["status"]) == Code.FAILED
    assert "nobody there" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, 4), (402, 5), (403, 4), (404, 6), (409, 1), (422, 1), (500, 1), (503, 3), (504, 3)],
)
def test_a_refusal_is_one_sentence_and_a_code(
    gateway: Gateway, capsys: Said, status: int, code: int
) -> None:
    gateway.refuse = (status, "Because of\x1b[2J this.")
    assert main(["wallet"]) == code
    sentence, *then = capsys.readouterr().err.splitlines()
    assert sentence == f"Because of[2J this. [{'r' * 32}]"
    assert then == ([NO_KEY] if status == 401 else [])


def test_nobody_there_is_3_and_says_what_to_do(gateway: Gateway, capsys: Said) -> None:
    assert main(["--url", f"http://127.0.0.1:{free_port()}", "status"]) == Code.AWAY
    assert "bazaar up" in capsys.readouterr().err
    assert gateway.asked == []


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    "argv",
    [["nothing"], ["receipt"], ["--url", "nonsense", "status"], ["ask", "--budget", "x", "y"], []],
)
def test_wrong_arguments_are_2(argv: list[str], capsys: Said) -> None:
    assert main(argv) == Code.USAGE
    assert "Traceback" not in capsys.readouterr().err


def test_what_is_sent_is_what_was_said(gateway: Gateway) -> None:
    assert main(["agents", "add", "http://a.example", "--id", "a1", "--price", "0.2"]) == 0
    assert main(["agents", "price", "a1", "0.2"]) == 0
    assert main(["agents", "suspend", "a1", "--reason", "Moving."]) == 0
    assert main(["refund", "p1", "--amount", "0.5"]) == 0
    assert main(["refund", "p1"]) == 0
    assert [(method, body) for method, _, body in gateway.asked] == [
        ("POST", {"id": "a1", "endpointUrl": "http://a.example", "basePrice": 0.2}),
        ("PATCH", {"basePrice": 0.2}),
        ("POST", {"reason": "Moving."}),
        ("POST", {"amount": 0.5}),
        ("POST", {}),
    ]


def test_a_seller_lists_earns_is_onboarded_and_paid(gateway: Gateway, capsys: Said) -> None:
    assert main(["agents", "import", "http://a.example", "--price", "0.2"]) == 0
    assert main(["seller", "earnings"]) == 0
    assert main(["seller", "show"]) == 0
    assert main(["seller", "onboard"]) == 0
    assert main(["seller", "payout", "2"]) == 0
    assert main(["seller", "payouts"]) == 0
    assert main(["agents", "retire", "a1"]) == 0
    out = capsys.readouterr().out
    shown = ("a2a", "0.27", "a bank", "https://connect.stripe.example/setup/1", "No such account.")
    assert [one for one in (*shown, "retired") if one not in out] == []
    assert [body for _, _, body in gateway.asked if body] == [
        {"url": "http://a.example", "basePrice": 0.2},
        {"amount": 2},
    ]


def test_a_file_says_where_and_who(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.delenv("BAZAAR_URL")
    (tmp_path / "bazaar").mkdir()
    file = tmp_path / "bazaar" / "config.toml"
    file.write_text(f'url = "{gateway.url}"\nkey = "k1"\n')
    assert main(["tasks"]) == 0
    assert gateway.key == "Bearer k1"
    assert main(["--key", "k2", "tasks"]) == 0
    assert gateway.key == "Bearer k2"
    for wrong in ('keys = "k1"', "url ="):
        file.write_text(wrong)
        assert main(["tasks"]) == Code.USAGE
        assert str(file) in capsys.readouterr().err


@pytest.mark.usefixtures("gateway")
def test_the_story_of_a_task(capsys: Said) -> None:
    assert main(["trace", "t1"]) == 0
    told = " ".join(capsys.readouterr().out.splitlines()[1].split())
    assert told == "250 ms task step.completed <- task.created agentId=a1 cost=0.1"


def test_an_id_is_one_part_of_an_address(gateway: Gateway) -> None:
    for argv in (["agents", "get"], ["receipt"], ["cancel"], ["trace"], ["refund"]):
        for wrong in ("../../health", "..", "x/../../tasks", "?a"):
            assert main([*argv, wrong]) == Code.MISSING
    paths = [path for _, path, _ in gateway.asked]
    assert len(paths) == 20
    assert not [path for path in paths if ".." in path or path.startswith(("/health", "/api/x"))]


def test_what_a_client_of_mcp_is_given(capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key where one is known, or where the stack of this machine asks for one."""

    def pasted(*argv: str) -> Any:
        assert main(["--url", "http://there.example/", *argv, "mcp"]) == 0
        return json.loads(capsys.readouterr().out)["mcpServers"]["agentbazaar"]

    monkeypatch.setenv("AUTH_MODE", "none")
    assert pasted() == {"type": "http", "url": "http://there.example/mcp"}
    assert pasted("--key", "bzr_1")["headers"] == {"Authorization": "Bearer bzr_1"}
    monkeypatch.setenv("AUTH_MODE", "token")
    assert "bazaar keys make" in pasted()["headers"]["Authorization"]


class Typing(StringIO):
    """A terminal where somebody types lines."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("".join(f"{line}\n" for line in lines))

    def isatty(self) -> bool:
        return True


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    found = Chat()
    with served(found.app()) as client:
        found.url = str(client.base_url)
        monkeypatch.setenv("BAZAAR_URL", found.url)
        yield found


def test_asking_is_told_and_ends_well(chat: Chat, capsys: Said) -> None:
    assert main(["ask", "--budget", "2", "--task", "t1", "hello", "there"]) == 0
    assert "Go on with it: bazaar ask --task t1" in capsys.readouterr().out
    assert chat.posted[0]["content"] == "hello there"
    assert (chat.posted[0]["maxBudget"], chat.posted[0]["taskId"]) == (2, "t1")


def test_asking_for_a_program_prints_the_message_alone(chat: Chat, capsys: Said) -> None:
    assert main(["ask", "--budget", "1", "--json", "hello"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == END["data"]["message"]
    assert chat.posted


@pytest.mark.parametrize(("refused", "code"), [("budget", 5), ("no_plan", 1), (None, 0)])
def test_a_wish_that_nobody_was_called_for_is_no_success(
    chat: Chat, refused: str | None, code: int
) -> None:
    chat.events = [event("turn.completed", message=END["data"]["message"], refused=refused)]
    assert main(["ask", "hello"]) == code


@pytest.mark.parametrize(("reason", "code"), [("agent_error", 1), ("not_covered", 5)])
def test_a_task_that_failed_is_no_success(chat: Chat, reason: str, code: int) -> None:
    chat.events = [
        event("step.failed", agentId="a1", error="it is away", reason=reason),
        event("task.failed", totalCost="0"),
        END,
    ]
    assert main(["ask", "hello"]) == code


def test_a_conversation_outlives_a_refusal(
    chat: Chat, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    """It ends at an empty line, with the code of what was asked last."""
    chat.post = (402, {"error": "The wallet is empty."})
    chat.events = []
    monkeypatch.setattr("sys.stdin", Typing(["one", "two", ""]))
    assert main(["ask"]) == Code.MONEY
    assert [one["content"] for one in chat.posted] == ["one", "two"]
    assert capsys.readouterr().err.count("The wallet is empty.") == 2


def test_a_key_that_can_be_none_is_told_in_words(
    chat: Chat, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for key in ("bzr_\u00e4", "bzr_\n"):
        monkeypatch.setenv("BAZAAR_KEY", key)
        assert main(["wallet"]) == main(["ask", "hello"]) == Code.UNKNOWN
    assert capsys.readouterr().err.count("no key has") == 4
    assert chat.posted == []


def test_a_word_behind_two_dashes_is_no_option(chat: Chat) -> None:
    assert main(["ask", "--", "--json", "means?"]) == 0
    assert chat.posted[0]["content"] == "--json means?"


def test_a_wish_on_standard_input(chat: Chat) -> None:
    done = subprocess.run(  # noqa: S603  (our own)
        [sys.executable, "-m", "cli", "--url", chat.url, "ask"],
        cwd=PROJECT,
        input="from a pipe",
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert chat.posted[0]["content"] == "from a pipe"


@pytest.mark.usefixtures("gateway")
def test_an_installation_without_what_a_command_needs_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `pip install .` leaves it; looking and asking work there."""
    # Whatever stack runs on this machine, the one that is looked at was never started.
    monkeypatch.setenv("BAZAAR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GATEWAY_PORT", str(free_port()))
    said = subprocess.run(  # noqa: S603  (our own)
        [sys.executable, "-c", BARE], cwd=PROJECT, check=False, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    assert said.stderr.count("pip install 'agentbazaar[local]'") == 3
    assert "cannot be told without asyncpg" in said.stdout


def test_a_new_agent_passes_its_own_test(tmp_path: Path, capsys: Said) -> None:
    assert main(["new-agent", "upside_down", "--folder", str(tmp_path)]) == 0
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    assert main(["new-agent", "upside_down", "--folder", str(tmp_path)]) == Code.FAILED
    assert main(["new-agent", "../x"]) == Code.USAGE
    assert "there already" in capsys.readouterr().err
