"""Calls of A2A agents, written with the a2a-sdk, over real HTTP: what each behaviour comes to."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from task_svc.agents import Agents
from task_svc.answers import AgentFailure
from task_svc.protocols.job import AgentAnswer, Operation, Waiting
from task_svc.settings import Settings
from tests.task.a2a_agent import Served, a2a_agent
from tests.task.jobs import Noted, job

KINDS = [
    ("1.0", "JSONRPC", True),
    ("1.0", "JSONRPC", False),
    ("1.0", "HTTP+JSON", True),
    ("0.3", "JSONRPC", True),
    ("0.3", "JSONRPC", False),
]
BRIEFLY_S = 1.0
PATIENCE_S = 1.0
"""How long is waited until work is put aside; a busy agent has to have taken it by then."""


@pytest.fixture
async def agents() -> AsyncIterator[Agents]:
    wanted = {"agent_hosts": "127.0.0.1", "agent_attempts": 2, "agent_retry_s": 0.01}
    client = Agents(Settings.model_validate(wanted))
    yield client
    await client.close()


async def work(agents: Agents, served: Served, text: str, **more: Any) -> AgentAnswer:
    known: dict[str, Any] = {"protocol": "a2a", "limit_s": 60.0}
    return await agents.execute(job(served.url, {"text": text}, **known | more))


async def failure(agents: Agents, served: Served, text: str, **more: Any) -> AgentFailure:
    with pytest.raises(AgentFailure) as caught:
        await work(agents, served, text, **more)
    return caught.value


@pytest.mark.parametrize(("wire", "binding", "streaming"), KINDS)
async def test_an_agent_of_any_kind_works(agents: Agents, wire: str, binding: str, streaming: bool):
    notes = Noted()
    async with a2a_agent(wire, binding, streaming=streaming) as served:
        done = await work(agents, served, "say Olé", notes=notes)
    assert (done.result, str(done.cost), str(done.external_cost)) == ("Olé", "0.1", "0")
    assert done.execution_time >= 1
    (message,) = served.agent.heard
    assert (message["messageId"], message["metadata"]) == ("step-1", {"idempotencyKey": "step-1"})
    assert message["parts"] == [{"text": "say Olé"}]
    (kept,) = notes.kept
    assert kept.ref
    assert len(served.agent.runs) == 1


@pytest.mark.parametrize(("wire", "binding", "streaming"), KINDS)
async def test_long_work_is_told_of_and_asked_after(
    agents: Agents, wire: str, binding: str, streaming: bool
):
    """It is put aside, and another process goes on asking with what was kept."""
    notes = Noted()
    async with a2a_agent(wire, binding, streaming=streaming) as served:
        with pytest.raises(Waiting) as waiting:
            await work(agents, served, "wait and see", notes=notes, patience_s=PATIENCE_S)
        assert waiting.value.delay_s > 0
        (operation,) = notes.kept
        with pytest.raises(Waiting):
            await work(agents, served, "", operation=operation, patience_s=0.0)
        served.agent.go.set()
        done = await work(agents, served, "", operation=operation)
    assert done.result == "and see"
    assert "Reading." in [one.message for one in notes.told]
    assert served.agent.runs == {"step-1": 1}


async def test_a_message_is_an_answer_too(agents: Agents):
    async with a2a_agent(streaming=False) as served:
        assert (await work(agents, served, "message Hello.")).result == "Hello."


async def test_the_words_of_the_end_are_an_answer_where_there_is_no_artifact(agents: Agents):
    async with a2a_agent() as served:
        assert (await work(agents, served, "status Four.")).result == "Four."


async def test_files_are_told_by_reference(agents: Agents):
    async with a2a_agent() as served:
        done = await work(agents, served, "files")
    assert done.result.split("\n\n") == [
        "See:",
        "a.pdf (a/pdf): https://papers.example/a.pdf",
        "big.bin (a/bin, 100000 bytes): left out: too large to be sent along",
        "t.txt (text/plain, 4 bytes): data:text/plain;base64,dGlueQ==",
        '{"half": 0.5, "n": 5}',
    ]


ENDS = {
    "fail no disk": ("agent_error", "The agent failed: no disk."),
    "fail": ("agent_error", "The agent failed."),
    "cancel": ("agent_error", "The agent cancelled the task."),
    "reject not mine.": ("agent_refused_payload", "The agent refused the task: not mine."),
    "ask which one?": ("agent_refused_payload", "The agent asks for more: which one?."),
    "auth log in": ("agent_error", "The agent asks for credentials: log in."),
    "much": ("agent_error", "The agent answered with more than"),
}


@pytest.mark.parametrize("text", ENDS)
@pytest.mark.parametrize("wire", ["1.0", "0.3"])
async def test_what_is_no_success_is_a_failure(agents: Agents, wire: str, text: str):
    reason, message = ENDS[text]
    async with a2a_agent(wire) as served:
        failed = await failure(agents, served, text)
        if text.startswith(("ask", "auth")):  # It holds the task, and is told that it is over.
            await asyncio.wait_for(served.agent.cancelled.wait(), 30)
    assert (failed.reason, failed.again) == (reason, False)
    assert failed.message.startswith(message)
    assert served.agent.runs == {"step-1": 1}


@pytest.mark.parametrize(("wire", "binding", "streaming"), KINDS)
async def test_an_agents_mishap_is_not_repeated_in_public(
    agents: Agents, wire: str, binding: str, streaming: bool
):
    async with a2a_agent(wire, binding, streaming=streaming) as served:
        failed = await failure(agents, served, "raise")
    assert failed.reason == "agent_error"
    assert "hunter2" not in failed.message


async def test_a_task_that_never_ends_is_cancelled_when_its_time_is_over(agents: Agents):
    async with a2a_agent() as served:
        failed = await failure(agents, served, "forget", limit_s=BRIEFLY_S)
        assert failed.reason == "agent_too_slow"
        await asyncio.wait_for(served.agent.cancelled.wait(), 30)


async def test_a_repeat_finds_the_task_of_the_first_message(agents: Agents):
    """As after a crash between the message and the note of what became of it."""
    async with a2a_agent() as served:
        with pytest.raises(Waiting):
            await work(agents, served, "wait", patience_s=PATIENCE_S)
        served.agent.go.set()
        notes = Noted()
        assert (await work(agents, served, "wait", again=True, notes=notes)).result == "done"
        assert served.agent.runs == {"step-1": 1}
        assert len(notes.kept) == 1


async def test_a_repeat_after_a_failure_is_sent_again(agents: Agents):
    async with a2a_agent() as served:
        await failure(agents, served, "fail")
        await failure(agents, served, "fail", again=True)
        assert served.agent.runs == {"step-1": 2}


async def test_work_that_the_agent_has_forgotten_has_failed(agents: Agents):
    gone = Operation(ref="t-1", began_at=datetime.now(UTC))
    async with a2a_agent() as served:
        failed = await failure(agents, served, "", operation=gone)
    assert (failed.reason, failed.message) == (
        "agent_error",
        "The agent does not know this work any more.",
    )


TROUBLES: dict[str, tuple[Response, str]] = {
    "broken": (PlainTextResponse("oops", 500), "agent_error"),
    "no JSON": (PlainTextResponse("oops"), "agent_error"),
    "a lying type": (Response(b"\x00\x01", media_type="text/event-stream"), "agent_error"),
    "another protocol": (JSONResponse({"result": "done", "cost": 1}), "agent_error"),
    "a list": (JSONResponse([1]), "agent_error"),
    "deep": (Response(b"[" * 100_000, media_type="application/json"), "agent_error"),
    "a task of no shape": (
        JSONResponse({"jsonrpc": "2.0", "id": 1, "result": {"task": {"id": 5, "status": []}}}),
        "agent_error",
    ),
    "who are you": (PlainTextResponse("who?", 401), "agent_error"),
    "pay first": (PlainTextResponse("pay", 402), "agent_refused_price"),
    "wrong fields": (
        JSONResponse({"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "No text."}}),
        "agent_refused_payload",
    ),
    "elsewhere": (
        Response(status_code=307, headers={"location": "http://10.0.0.1/"}),
        "agent_error",
    ),
    "packed": (
        Response(b"x" * 99, headers={"content-encoding": "gzip"}, media_type="application/json"),
        "agent_error",
    ),
}


@pytest.mark.parametrize("name", TROUBLES)
@pytest.mark.parametrize("wire", ["1.0", "0.3"])
@pytest.mark.parametrize("streaming", [True, False])
async def test_an_agent_that_misbehaves_has_failed(
    agents: Agents, wire: str, streaming: bool, name: str
):
    trouble, reason = TROUBLES[name]
    async with a2a_agent(wire, streaming=streaming) as served:
        served.troubles.append(trouble)
        failed = await failure(agents, served, "say hi")
        assert failed.reason == reason
        assert len(served.asked) == 1


async def test_a_busy_agent_is_asked_again(agents: Agents):
    async with a2a_agent() as served:
        served.troubles.append(PlainTextResponse("later", 503))
        assert (await work(agents, served, "say hi")).result == "hi"


async def test_an_agent_that_is_away_while_it_works_is_asked_again(agents: Agents):
    notes = Noted()
    async with a2a_agent(streaming=False) as served:
        busy: Any = [None, PlainTextResponse("later", 503), PlainTextResponse("later", 429)]
        served.troubles.extend(busy)
        assert (await work(agents, served, "say hi", notes=notes)).result == "hi"
    assert served.agent.runs == {"step-1": 1}


async def test_a_message_that_may_have_arrived_is_not_sent_again(agents: Agents):
    class HangsUp(Response):
        async def __call__(self, *_: Any) -> None:
            raise ConnectionError

    async with a2a_agent() as served:
        served.troubles.append(HangsUp())
        failed = await failure(agents, served, "say hi", limit_s=BRIEFLY_S)
        assert failed.reason in ("agent_error", "agent_unreachable")
        assert len(served.asked) == 1


async def test_a_payload_of_more_than_words_is_sent_whole(agents: Agents):
    async with a2a_agent() as served:
        payload = {"text": "say hi", "times": 3}
        await agents.execute(job(served.url, payload, protocol="a2a", tool="talk"))
        (message,) = served.agent.heard
    assert message["parts"] == [{"text": "say hi"}, {"data": {"text": "say hi", "times": 3.0}}]
    assert message["metadata"]["skill"] == "talk"


async def test_an_address_in_a_card_is_judged_like_any(agents: Agents):
    """What a card says is a stranger's word."""
    async with a2a_agent() as served:
        evil = "http://169.254.169.254/latest"
        card = {"name": "x", "url": evil, "protocolVersion": "0.3.0"}
        refused = await _with_card(agents, card)
        assert (refused.reason, "metadata" in refused.message) == ("agent_unreachable", True)
        assert not served.asked


async def test_a_card_of_no_use_is_the_agents_error(agents: Agents):
    failed = await _with_card(agents, {"name": "x", "protocolVersion": "7.0", "url": "http://a.b/"})
    assert (failed.reason, "no interface that can be called" in failed.message) == (
        "agent_error",
        True,
    )


async def _with_card(agents: Agents, card: dict[str, Any]) -> AgentFailure:
    from tests.support.scripted_agent import (
        ScriptedAgent,
    )

    async with ScriptedAgent(info=card) as agent:
        with pytest.raises(AgentFailure) as caught:
            await agents.execute(job(agent.url, protocol="a2a"))
        return caught.value


async def test_time_that_is_over_before_it_is_asked_again(agents: Agents):
    late = datetime.now(UTC) - timedelta(hours=1)
    async with a2a_agent() as served:
        with pytest.raises(Waiting):
            await work(agents, served, "wait", patience_s=PATIENCE_S, notes=(notes := Noted()))
        old = notes.kept[0].model_copy(update={"began_at": late})
        failed = await failure(agents, served, "", operation=old)
    assert failed.reason == "agent_too_slow"
