"""`bazaar ask` and `make ask`, against a small gateway over real HTTP."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from chassis.observability.terminal import plain
from cli.errors import Code
from cli.main import main
from deploy.local.ports import free_port
from deploy.local.settings import PROJECT
from tests.agents.serving import served

Json = dict[str, Any]
MESSAGE: Json = {
    "id": "m2",
    "role": "assistant",
    "content": "hola\x1b[31m",
    "taskId": "t1",
    "orchestrator": "claude",
    "llm": {"model": "claude-x", "input": 4321, "output": 21, "cached": 4000, "usd": "0.0012"},
    "costBreakdown": {
        "subtasks": [{"agent": "Translator", "cost": "0.1"}, {"agent": "Search", "cost": "0.13"}],
        "total": "0.23",
    },
}


def event(type_: str, turn: str = "u1", **data: Any) -> Json:
    return {"type": type_, "turnId": turn, "taskId": "t1", "data": data}


def begun(content: str, turn: str = "u1") -> Json:
    return event("message.posted", turn, role="user", content=content, turnId=turn)


WORK = [
    event("turn.streamed", round=0, offset=0, text="I loo"),
    event("turn.streamed", round=0, offset=0, text="I look "),
    event("turn.streamed", round=0, offset=7, text="around."),
    event("turn.streamed", round=1, offset=0, text="Now."),
    event("plan.proposed", steps=[{"skill": "translate", "agentId": "a1"}]),
    event(
        "price.negotiated",
        agentName="Translator",
        agreed=True,
        listPrice="0.200000",
        price="0.100000",
        offers=[{"round": 1, "offered": "0.08"}, {"round": 2, "offered": "0.1"}],
    ),
    event("step.started", agentId="a1"),
    event("step.completed", agentId="a1", cost="0.1", externalCost="0", executionTime=12),
    event("step.failed", agentId="a9", error="it is away"),
    event("wallet.credited"),
]
END = event("turn.completed", message=MESSAGE)


class Gateway:
    """What the stand-in answers, and what it was asked.

    Attributes:
        events: what the stream tells once somebody has posted; None cuts it off.
        raw: a stream as it is sent, in place of one made of the events.
    """

    def __init__(self) -> None:
        self.raw: bytes | None = None
        self.url = ""
        self.posted: list[Json] = []
        self.post: tuple[int, Any] = (200, {"done": True})
        self.events: list[Json | None] = [*WORK, END]
        self.resumed: list[str | None] = []
        self.key: str | None = None
        self._told = 0
        self._asked = asyncio.Event()

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/api/agents")
        async def agents() -> list[Json]:
            return [{"id": "a1", "name": "Translator"}]

        @app.post("/api/hubchat/message")
        async def post(request: Request) -> JSONResponse:
            self.posted.append(await request.json())
            self.key = request.headers.get("authorization")
            self._asked.set()
            return JSONResponse(self.post[1], self.post[0], {"X-Request-Id": "r-1"})

        @app.get("/api/hubchat/stream")
        async def stream(request: Request) -> StreamingResponse:
            self.resumed.append(request.headers.get("last-event-id"))
            return StreamingResponse(self._stream(), media_type="text/event-stream")

        return app

    async def _stream(self) -> AsyncIterator[str | bytes]:
        yield ": hello\nretry: 1000\nid: 6\n\n"
        await self._asked.wait()
        if self.raw is not None:
            for at in range(0, len(self.raw), 7):  # In pieces that end within characters.
                yield self.raw[at : at + 7]
            return
        question = self.posted[-1]["content"]
        told = [begun("something else", "u0"), begun(question), *self.events]
        while self._told < len(told):
            number, now = self._told, told[self._told]
            self._told += 1
            if now is None:
                return
            yield f"id: {number + 7}\ndata: {json.dumps(now)}\n\n"


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    state = Gateway()
    with served(state.app()) as client:
        state.url = str(client.base_url).rstrip("/")
        yield state


def asks(gateway: Gateway, question: str, *options: str) -> int:
    return main(["--url", gateway.url, "ask", *options, question])


def test_tells_what_happens_and_then_the_answer_and_the_bill(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asks(gateway, 'it\'s "5" $x', "--task", "t1") == 0
    assert gateway.posted == [{"content": 'it\'s "5" $x', "taskId": "t1"}]
    assert capsys.readouterr().out.splitlines() == [
        "",
        "I loo",
        "         (cut off; it begins anew)",
        "I look around.",
        "",
        "Now.",
        "plan     translate by Translator",
        "price    Translator: 0.1 BazaarBucks instead of 0.2 BazaarBucks (offered: 0.08, 0.1)",
        "started  Translator",
        "done     Translator, 0.1 BazaarBucks, 12 ms",
        "failed   a9: it is away",
        "",
        "hola[31m",
        "",
        "Bill",
        "  Translator  0.1 BazaarBucks",
        "  Search      0.13 BazaarBucks",
        "  total       0.23 BazaarBucks",
        "",
        "Decided by claude (claude-x: 4,321 tokens in, 4,000 of them cached, 21 out, $0.0012).",
        'Go on with it: bazaar ask --task t1 "..."',
    ]


STEERING = "\x1b[2J\x9b31m\r\x07\u202e\u2066\u200b\U000e0041"


def test_nobodys_words_steer_the_terminal_or_look_like_lines_of_ours(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"{STEERING}\nfailed   forged"
    gateway.events = [
        event("turn.streamed", round=0, offset=0, text=words),
        event("plan.proposed", steps=[{"skill": words, "agentId": words}]),
        event("step.failed", agentId=words, error=words),
        event(
            "turn.completed",
            message=MESSAGE
            | {"content": words, "taskId": words, "orchestrator": words}
            | {"costBreakdown": {"subtasks": [{"agent": words, "cost": "1"}], "total": "1"}},
        ),
    ]
    asks(gateway, "Who is there?")
    told = capsys.readouterr().out
    assert plain(told) == told
    # What is said has lines of its own, here twice; whatever we tell of the work is one line.
    assert sum(line.startswith("failed") for line in told.splitlines()) == 2 + 1


def test_names_of_agents_are_told_apart_from_words_of_ours(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "Poet, 9 BazaarBucks"
    gateway.events = [
        event("plan.proposed", steps=[{"skill": "rhyme by Bard, sing", "agentId": name}]),
        event("step.completed", agentId=name, cost="0.1", externalCost="0", executionTime=12),
        END,
    ]
    asks(gateway, "Who is there?")
    told = capsys.readouterr().out.splitlines()
    assert 'plan     "rhyme by Bard, sing" by "Poet, 9 BazaarBucks"' in told
    assert 'done     "Poet, 9 BazaarBucks", 0.1 BazaarBucks, 12 ms' in told


def test_only_line_feeds_end_a_line_of_the_stream(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "one\u0085two\u2028three\u2029four\x1c\x0bfive"
    raw = [begun("?"), event("step.failed", agentId="a1", error=said), END]
    gateway.raw = "".join(
        f"id:{n}\r\ndata:{json.dumps(one, ensure_ascii=False)}\r\n\r\n" for n, one in enumerate(raw)
    ).encode()
    asks(gateway, "?")
    assert "failed   Translator: one two three four five" in capsys.readouterr().out


@pytest.mark.parametrize("data", [b"no json", b"[]", b'{"type": "\xff', b""])
def test_a_stream_of_something_else_is_told_in_words(
    gateway: Gateway, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.raw = b"data: " + data + b"\n\n"
    assert asks(gateway, "?") == Code.FAILED
    assert "sent what is no event" in capsys.readouterr().err


def test_a_refusal_is_told_without_what_steers(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.post = (402, {"error": f"No{STEERING} money"})
    assert asks(gateway, "hello") == Code.MONEY
    told = capsys.readouterr().err
    assert plain(told) == told
    assert "money" in told


def test_an_answer_that_was_said_is_not_said_again(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"content": "Six agents.", "taskId": None, "orchestrator": "rules"}
    streamed = event("turn.streamed", round=0, offset=0, text="Six agents.")
    gateway.events = [streamed, event("turn.completed", message=said)]
    asks(gateway, "Who is there?")
    assert capsys.readouterr().out == "\nSix agents.\n\nDecided by rules.\n"


def test_a_stream_that_is_cut_off_is_taken_up_where_it_was(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.events = [*WORK[4:], None, END]
    asks(gateway, "?")
    told = capsys.readouterr().out
    assert told.count("done     Translator") == 1
    assert "hola" in told
    assert gateway.resumed == [None, str(7 + 1 + len(WORK[4:]))]


@pytest.mark.parametrize(
    ("answer", "code", "complaint"),
    [
        ((401, {"error": "Say who you are."}), Code.UNKNOWN, "Say who you are. [r-1]"),
        ((402, {"error": "The wallet is empty."}), Code.MONEY, "The wallet is empty. [r-1]"),
        (
            (502, "nonsense"),
            Code.AWAY,
            "The gateway answered with status 502, and no reason. [r-1]",
        ),
    ],
)
def test_a_refusal_is_told(
    gateway: Gateway,
    answer: tuple[int, object],
    code: Code,
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gateway.post, gateway.events = answer, []
    assert asks(gateway, "?") == code
    assert complaint in capsys.readouterr().err


def test_a_turn_without_an_end_is_not_waited_for(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cli.turn.TIMEOUT_SECONDS", 0.5)
    gateway.events = [*WORK]
    assert asks(gateway, "?") == Code.FAILED
    assert "no answer within 0.5 s" in capsys.readouterr().err


def test_says_so_when_nothing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--url", f"http://127.0.0.1:{free_port()}", "ask", "hello"]) == Code.AWAY
    assert "Nobody answers at" in capsys.readouterr().err


def test_make_ask_is_bazaar_ask(gateway: Gateway) -> None:
    """The question goes through unexpanded; without one, standard input is read."""

    def makes(*given: str, said: str = "") -> int:
        python = Path(sys.executable).parent
        return subprocess.run(  # noqa: S603  (our own)
            ["make", "-s", "-o", "env", f"BIN={python}", "ask", *given],  # noqa: S607
            cwd=PROJECT,
            env=os.environ | {"GATEWAY_PORT": gateway.url.rpartition(":")[2], "BAZAAR_URL": ""},
            input=said,
            text=True,
            check=False,
        ).returncode

    question = """it's "5" $x -- $(pwd)"""
    assert makes(f"Q={question}", "TASK=t1", "BUDGET=0.5", "KEY=bzr_1") == 0
    assert gateway.key == "Bearer bzr_1"
    assert gateway.posted == [{"content": question, "taskId": "t1", "maxBudget": 0.5}]
    assert makes("Q=hello", "BUDGET=much") != 0
    assert makes("Q=") != 0
