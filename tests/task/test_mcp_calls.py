"""Calls of tools of MCP servers, written with the mcp library, over real HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from task_svc.agents import Agents
from task_svc.answers import AgentFailure
from task_svc.protocols.job import AgentAnswer
from task_svc.settings import Settings
from tests.chassis.raw_agent import RawAgent, plain, sends, then_silence
from tests.support.polling import eventually
from tests.task.jobs import Noted, job
from tests.task.mcp_tools import tools_of


@pytest.fixture
async def agents() -> AsyncIterator[Agents]:
    wanted = {"agent_hosts": "127.0.0.1", "agent_attempts": 2, "agent_retry_s": 0.01}
    client = Agents(Settings.model_validate(wanted))
    yield client
    await client.close()


async def call(agents: Agents, url: str, tool: str, **payload: Any) -> AgentAnswer:
    return await agents.execute(job(url, payload, protocol="mcp", tool=tool, limit_s=60.0))


async def failure(agents: Agents, url: str, tool: str, **payload: Any) -> AgentFailure:
    with pytest.raises(AgentFailure) as caught:
        await call(agents, url, tool, **payload)
    return caught.value


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("as_json", [False, True])
async def test_a_tool_works(agents: Agents, old: bool, as_json: bool):
    async with tools_of(old=old, as_json=as_json) as tools:
        done = await call(agents, tools.url, "shout", text="olé")
        assert (done.result, str(done.cost), done.subtask_type) == ("OLÉ", "0.1", "general")
        assert tools.keys == ["step-1"]
        assert tools.posts.count("tools/call") == 1


async def test_structure_is_told_as_json_once(agents: Agents):
    async with tools_of() as tools:
        done = await call(agents, tools.url, "weather", city="Rome", days=2)
        assert json.loads(done.result) == {"degrees": 2, "sky": "blue over Rome"}
        assert json.loads((await call(agents, tools.url, "nothing")).result) == {"n": 1}


async def test_files_are_told_by_reference(agents: Agents):
    async with tools_of() as tools:
        done = await call(agents, tools.url, "files")
    assert done.result.split("\n\n") == [
        "See:",
        "a.pdf (a/pdf, 7 bytes): https://papers.example/a.pdf",
        "image (image/png): left out: it cannot be read",
        "x://b (text/plain, 4 bytes): data:text/plain;base64,dGlueQ==",
    ]


@pytest.mark.parametrize("old", [False, True])
async def test_progress_is_told_as_it_comes(agents: Agents, old: bool):
    notes = Noted()
    async with tools_of(old=old) as tools:
        work = job(tools.url, {}, protocol="mcp", tool="slowly", limit_s=60.0, notes=notes)
        running = asyncio.create_task(agents.execute(work))
        await eventually(lambda: asyncio.sleep(0, notes.told))
        tools.go.set()
        assert (await running).result == "at last"
    assert [(one.percent, one.message) for one in notes.told] == [(25, "A quarter.")]


async def test_a_tool_that_takes_too_long_is_left(agents: Agents):
    async with tools_of() as tools:
        work = job(tools.url, {}, protocol="mcp", tool="slowly", limit_s=2.0)
        with pytest.raises(AgentFailure) as slow:
            await agents.execute(work)
    assert slow.value.reason == "agent_too_slow"
    assert tools.runs == {"slowly": 1}


async def test_a_call_can_be_ended_at_any_time(agents: Agents):
    async with tools_of() as tools:
        work = job(tools.url, {}, protocol="mcp", tool="slowly", limit_s=60.0)
        running = asyncio.create_task(agents.execute(work))
        await eventually(lambda: asyncio.sleep(0, tools.runs))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


@pytest.mark.parametrize("old", [False, True])
async def test_whose_fault_a_failure_is(agents: Agents, old: bool):
    async with tools_of(old=old) as tools:
        for tool, payload, reason, message in (
            ("fails", {}, "agent_error", "executing tool fails: No such city."),
            ("nope", {}, "agent_error", "The server has no such tool any more."),
            ("weather", {}, "agent_refused_payload", "it lacks city"),
            ("weather", {"city": 5}, "agent_refused_payload", "city is of another type"),
            ("much", {}, "agent_error", "more than"),
        ):
            failed = await failure(agents, tools.url, tool, **payload)
            assert (failed.reason, failed.again) == (reason, False), failed.message
            assert message in failed.message
        hidden = await failure(agents, tools.url, "fails", how="unsaid")
        assert (hidden.reason, "hunter2" in hidden.message) == ("agent_error", False)
    assert tools.runs == {"fails": 2}


TROUBLES: dict[str, tuple[Response, str]] = {
    "broken": (PlainTextResponse("oops", 500), "agent_error"),
    "no JSON": (PlainTextResponse("oops"), "agent_error"),
    "a lying type": (Response(b"\x00\x01", media_type="text/event-stream"), "agent_error"),
    "another protocol": (JSONResponse({"result": "done", "cost": 1}), "agent_error"),
    "a list": (JSONResponse([1]), "agent_error"),
    "deep": (Response(b"[" * 100_000, media_type="application/json"), "agent_error"),
    "pay first": (PlainTextResponse("pay", 402), "agent_refused_price"),
    "who are you": (PlainTextResponse("who?", 401), "agent_error"),
    "elsewhere": (
        Response(status_code=307, headers={"location": "http://10.0.0.1/"}),
        "agent_error",
    ),
}


@pytest.mark.parametrize("name", TROUBLES)
@pytest.mark.parametrize("old", [False, True])
async def test_a_server_that_misbehaves_has_failed(agents: Agents, old: bool, name: str):
    trouble, reason = TROUBLES[name]
    async with tools_of(old=old) as tools:
        tools.troubles.append(trouble)
        work = job(
            tools.url, {"text": "hi"}, protocol="mcp", tool="shout", limit_s=4.0, patience_s=4.0
        )
        with pytest.raises(AgentFailure) as caught:
            await agents.execute(work)
        assert caught.value.reason == reason
        assert tools.posts.count("tools/call") == 1
        assert not tools.runs


async def test_a_busy_server_is_asked_again(agents: Agents):
    async with tools_of() as tools:
        tools.troubles.append(PlainTextResponse("later", 503))
        assert (await call(agents, tools.url, "shout", text="hi")).result == "HI"


NO_SERVERS = {
    "no MCP": (sends(plain(b"hello")), "agent_error"),
    "hangs up": (sends(b"", close=True), "agent_unreachable"),
    "silent": (then_silence(b""), "agent_too_slow"),
    "of no type": (then_silence(b"HTTP/1.1 200 OK\r\n\r\n"), "agent_error"),
    "endless": (
        then_silence(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n["),
        "agent_too_slow",
    ),
}


@pytest.mark.parametrize("name", NO_SERVERS)
async def test_what_is_no_server_is_a_failure(agents: Agents, name: str):
    behaviour, reason = NO_SERVERS[name]
    async with RawAgent(behaviour) as raw:
        work = job(raw.url, {}, protocol="mcp", tool="shout", limit_s=1.5)
        with pytest.raises(AgentFailure) as caught:
            await agents.execute(work)
    assert caught.value.reason == reason


async def test_nobody_there(agents: Agents):
    async with RawAgent(then_silence(b"")) as raw:
        pass
    failed = await failure(agents, raw.url, "shout")
    assert (failed.reason, failed.message) == (
        "agent_unreachable",
        "The agent cannot be reached.",
    )
    refused = await failure(agents, "http://169.254.169.254/mcp", "shout")
    assert "may not be called" in refused.message
