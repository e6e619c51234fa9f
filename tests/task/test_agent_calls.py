"""Calls of agents over HTTP: what every kind of agent's behaviour comes to."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from contracts.task import FailureReason
from task_svc.agents import Agents
from task_svc.answers import AgentFailure
from task_svc.protocols.job import AgentAnswer
from task_svc.settings import Settings
from tests.support.scripted_agent import (
    Behaviour,
    ScriptedAgent,
    answer,
    answers,
    breaks_off,
    drips,
    hangs,
    hangs_up,
    is_busy,
    says,
)
from tests.task.jobs import job

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ATTEMPTS = 3
LIMIT = 16_384


async def execute(
    url: str, payload: dict[str, Any] | None = None, trace: str | None = TRACE, **settings: Any
) -> AgentAnswer:
    wanted = {
        "agent_timeout_s": 5,
        "agent_attempts": ATTEMPTS,
        "agent_retry_s": 0.01,
        "agent_answer_bytes": LIMIT,
        "agent_hosts": "127.0.0.1",
    }
    known = Settings.model_validate(wanted | settings)
    agents = Agents(known)
    work = job(url, payload, trace=trace, limit_s=known.agent_timeout_s)
    try:
        return await agents.execute(work)
    finally:
        await agents.close()


async def failure(url: str, **settings: Any) -> AgentFailure:
    with pytest.raises(AgentFailure) as caught:
        await execute(url, **settings)
    return caught.value


async def test_an_answer_is_read_exactly():
    script = answers("Olé", 0.07, subtask_type="translate", external_cost=0.01, vendor="Acme")
    async with ScriptedAgent(script) as agent:
        found = await execute(agent.url + "/")
    assert (found.result, found.subtask_type, found.vendor) == ("Olé", "translate", "Acme")
    assert (found.cost, found.external_cost) == (Decimal("0.07"), Decimal("0.01"))
    assert found.requires_external_tool is False
    assert found.execution_time >= 1


async def test_an_answer_may_say_little():
    async with ScriptedAgent(says({"result": "", "cost": 0, "unknown": [1]})) as agent:
        found = await execute(agent.url)
    assert (found.result, found.cost + found.external_cost) == ("", Decimal(0))
    assert (found.subtask_type, found.vendor) == ("task", None)


async def test_the_payload_arrives_as_it_was_sent():
    payload = {"text": '日本\x00 "quoted" \\ €', "n": [1, 2.5, None, {"deep": True}], "": ""}
    async with ScriptedAgent() as agent:
        await execute(agent.url, payload)
    assert agent.calls[0].payload == payload
    assert agent.calls[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("cost", "read"),
    [
        (0.1 + 0.2, "0.3"),
        (1e-7, "0"),
        (0.0000015, "0.000002"),
        (12, "12"),
        ("0.05", "0.05"),
        (-0.0, "0"),
        (1_000_000, "1000000"),
    ],
)
async def test_a_bill_is_rounded_to_six_decimals(cost: Any, read: str):
    async with ScriptedAgent(answers(cost=cost, external_cost=cost)) as agent:
        found = await execute(agent.url)
    for amount in (found.cost, found.external_cost):
        assert amount == Decimal(read)
        assert format(amount, "f") == format(Decimal(read).quantize(Decimal("0.000001")), "f")


@pytest.mark.parametrize(
    ("result", "read"),
    [
        ("a\x00b", "a\ufffdb"),
        ("\ud83d cut in half", "? cut in half"),
        ("x" * 3_000, "x" * 3_000),
    ],
)
async def test_a_result_is_made_fit_to_be_stored(result: str, read: str):
    async with ScriptedAgent(answers(result, vendor=result, subtask_type=result)) as agent:
        found = await execute(agent.url)
    assert found.result == read
    assert found.vendor is not None
    assert (found.vendor[:20], found.subtask_type[:20]) == (read[:20], read[:20])
    assert len(found.vendor) <= 200
    assert len(found.subtask_type) <= 100


NO_ANSWER: list[tuple[str, Behaviour]] = [
    ("not JSON", says("<html>hello</html>")),
    ("nothing", says("")),
    ("a list", says("[]")),
    ("no text", says(b"\xff\xfe\x00")),
    ("no result", says({"cost": 0.1})),
    ("no cost", says({"result": "x"})),
    ("null", says(answer(cost=None))),
    ("true", says(answer(cost=True))),
    ("a negative cost", says(answer(cost=-0.01))),
    ("a huge cost", says(answer(cost=1_000_001))),
    ("a cost beyond numbers", says('{"result": "x", "cost": 1e999}')),
    ("NaN", says('{"result": "x", "cost": NaN}')),
    ("NaN as text", says(answer(cost="NaN"))),
    ("infinity", says('{"result": "x", "cost": Infinity}')),
    ("a number without end", says('{"result": "x", "cost": ' + "1" * 9_000 + "}")),
    ("a negative external cost", says(answer(external_cost=-1))),
    ("a result that is an object", says(answer() | {"result": {"text": "x"}})),
    ("depth without end", says('{"result": "x", "cost": 0.1, "more": ' + "[" * 9_000 + "}")),
    ("no content", says("", 204)),
    ("a redirect", says(answer(), 307, "location: /execute\r\n")),
    ("a server error in plain text", says("Internal Server Error", 500)),
    ("a bad gateway", says("<html></html>", 502)),
    ("forbidden", says({"detail": "no"}, 403)),
    ("not found", says({"detail": "Not Found"}, 404)),
    ("too much", says("x" * (LIMIT + 1))),
    ("too much of an error", says("x" * (LIMIT + 1), 500)),
    ("compressed, unasked", says(b"\x1f\x8b\x08\x00rubbish", 200, "content-encoding: gzip\r\n")),
]


@pytest.mark.parametrize(
    "behaviour", [b for _, b in NO_ANSWER], ids=[name for name, _ in NO_ANSWER]
)
async def test_what_is_no_answer_is_the_agents_error(behaviour: Behaviour):
    async with ScriptedAgent(behaviour, answers()) as agent:
        found = await failure(agent.url)
    assert found.reason == "agent_error"
    assert found.message.endswith(".")
    assert len(agent.calls) == 1, "it would do the same again"


FASTAPI_422 = {
    "detail": [{"type": "missing", "loc": ["body", "text"], "msg": "Field required", "input": {}}]
}


@pytest.mark.parametrize(
    ("behaviour", "reason", "message"),
    [
        (says({"detail": "text is empty"}, 422), "agent_refused_payload", "text is empty"),
        (says(FASTAPI_422, 422), "agent_refused_payload", "Field required"),
        (says({"detail": "bad"}, 400), "agent_refused_payload", "bad"),
        (says("bad", 400), "agent_refused_payload", "The agent cannot work with this."),
        (says({"detail": "At least 0.40."}, 402), "agent_refused_price", ": At least 0.40."),
        (says({"detail": []}, 422), "agent_refused_payload", "The agent cannot work with this."),
        (says({"detail": "a\x00\n\tb"}, 500), "agent_error", "500: a\ufffd b."),
        (says({"detail": "y" * 2_000}, 500), "agent_error", "…."),
    ],
)
async def test_an_agents_own_words_are_passed_on(
    behaviour: Behaviour, reason: FailureReason, message: str
):
    async with ScriptedAgent(behaviour, answers()) as agent:
        found = await failure(agent.url)
    assert found.reason == reason
    assert message in found.message
    assert len(found.message) < 400
    assert len(agent.calls) == 1


@pytest.mark.parametrize(
    "trouble", [is_busy(), hangs_up, breaks_off], ids=["busy", "hangs up", "breaks off"]
)
async def test_a_passing_trouble_is_overcome_with_the_same_key(trouble: Behaviour):
    async with ScriptedAgent(trouble, trouble, answers("at last")) as agent:
        found = await execute(agent.url)
    assert found.result == "at last"
    assert agent.keys == ["step-1"] * 3
    assert {call.headers["traceparent"] for call in agent.calls} == {TRACE}
    assert len({json.dumps(call.payload) for call in agent.calls}) == 1


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [(is_busy(), "agent_busy"), (hangs_up, "agent_unreachable"), (breaks_off, "agent_unreachable")],
    ids=["busy", "hangs up", "breaks off"],
)
async def test_a_lasting_trouble_is_given_up(trouble: Behaviour, reason: FailureReason):
    async with ScriptedAgent(trouble) as agent:
        found = await failure(agent.url)
    assert found.reason == reason
    assert len(agent.calls) == ATTEMPTS


async def test_delays_grow_between_calls(monkeypatch: pytest.MonkeyPatch):
    slept: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    async with ScriptedAgent(is_busy()) as agent:
        monkeypatch.setattr("asyncio.sleep", note)
        await failure(agent.url, agent_attempts=5, agent_retry_s=1)
    waits = [seconds for seconds in slept if seconds >= 0.5]
    assert len(waits) == 4
    assert waits == sorted(waits)
    assert waits[-1] <= 5.5


async def test_an_agent_is_left_alone_for_as_long_as_it_wants(monkeypatch: pytest.MonkeyPatch):
    slept: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    later = says("", 429, "retry-after: 4\r\n")
    async with ScriptedAgent(later, later, answers("at last")) as agent:
        monkeypatch.setattr("asyncio.sleep", note)
        assert (await execute(agent.url)).result == "at last"
    assert [seconds for seconds in slept if seconds >= 0.5] == [4.0, 4.0]


async def test_an_agent_that_wants_to_be_left_alone_for_long_is_asked_once():
    async with ScriptedAgent(says("", 503, "retry-after: 60\r\n")) as agent:
        found = await failure(agent.url)
    assert found.reason == "agent_busy"
    assert len(agent.calls) == 1


@pytest.mark.parametrize("status", [200, 201, 202, 203, 206, 299])
async def test_every_success_is_one(status: int):
    work = {"result": "done", "cost": 0.1}
    async with ScriptedAgent(says(work, status)) as agent:
        assert (await execute(agent.url)).result == "done"


async def test_an_agent_that_is_not_there_is_unreachable():
    async with ScriptedAgent() as agent:
        url = agent.url
    assert (await failure(url)).reason == "agent_unreachable"


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1", "http://", "nonsense", "http://[::1", "http://a b"]
)
async def test_a_url_that_is_none_is_unreachable(url: str):
    assert (await failure(url)).reason == "agent_unreachable"


async def test_an_agent_that_hangs_is_too_slow_and_not_asked_again():
    async with ScriptedAgent(hangs) as agent:
        found = await failure(agent.url, agent_timeout_s=0.2)
    assert found.reason == "agent_too_slow"
    assert len(agent.calls) == 1


async def test_an_agent_that_drips_is_too_slow():
    async with ScriptedAgent(drips) as agent:
        found = await failure(agent.url, agent_timeout_s=0.3, agent_answer_bytes=1_000_000)
    assert found.reason == "agent_too_slow"
    assert len(agent.calls) == 1, "the whole answer has to come in time, not each byte"


async def test_a_trace_that_no_header_can_carry_is_left_out():
    async with ScriptedAgent() as agent:
        await execute(agent.url, trace="00-é\r\nx: y")
        await execute(agent.url, trace=None)
    assert [call.headers.get("traceparent") for call in agent.calls] == [None, None]


async def test_a_payload_with_half_a_character_is_sent_readable():
    async with ScriptedAgent() as agent:
        await execute(agent.url, {"text": "\ud83d half"})
    assert agent.calls[0].payload["text"].endswith(" half")


async def test_a_payload_that_is_no_json_is_refused():
    async with ScriptedAgent() as agent:
        with pytest.raises(AgentFailure) as caught:
            await execute(agent.url, {"n": float("nan")})
    assert caught.value.reason == "agent_refused_payload"
    assert agent.calls == []
