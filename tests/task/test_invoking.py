"""POST /api/invoke-agent as the task service sees it: one step, run while the caller waits."""

import json
from decimal import Decimal

import pytest

from contracts.base import Payload
from contracts.errors import BadAnswer, Conflict, Invalid, NotFound, PaymentRequired, Unavailable
from contracts.task import RESULT_KEY
from task_svc.ending import TOLD_CHARS
from tests.support.polling import eventually
from tests.support.scripted_agent import ScriptedAgent, answers, breaks_off, hangs_up, is_busy, says
from tests.support.system import System
from tests.task.plans import spec, start


async def test_a_call_makes_a_task_of_its_own(system: System):
    account = await system.account()
    async with system.agent(answers("Hola", 0.12, external_cost=0.01), price="0.13") as (
        agent_id,
        agent,
    ):
        reply = await system.invoke(account, agent_id, payload={"text": "hello"})
    assert (reply.result, reply.cost, reply.external_cost) == (
        "Hola",
        Decimal("0.12"),
        Decimal("0.01"),
    )
    task = await system.task(account, reply.task_id)
    assert (task.status, task.total_cost, task.required_skills) == (
        "completed",
        Decimal("0.13"),
        [],
    )
    assert task.completed_at is not None
    (step,) = await system.steps(account, reply.task_id)
    assert (step.id, step.status, step.result) == (reply.step_id, "completed", "Hola")
    assert (step.cost, step.external_cost) == (reply.cost, reply.external_cost)
    assert step.execution_time is not None
    assert agent.keys == [step.id]
    assert await system.paid(account, task.id) == Decimal("0.13")
    assert await system.wallet(account) == (Decimal("99.87"), Decimal(0))


async def test_the_life_of_a_call_can_be_followed(system: System):
    account = await system.account()
    async with system.agent() as (agent_id, agent):
        reply = await system.invoke(account, agent_id)
    said = await system.said(reply.task_id, "", count=7)
    assert sorted(one.type for one in said) == [
        "hold.placed",
        "payment.recorded",
        "step.completed",
        "step.started",
        "task.completed",
        "task.created",
        "task.started",
    ]
    assert {one.headers["ce-account"] for one in said} == {account}
    assert len({one.headers["ce-correlationid"] for one in said}) == 1
    assert len({one.headers["ce-id"] for one in said}) == len(said)
    trace = agent.calls[0].headers["traceparent"]
    assert {one.headers["traceparent"] for one in said} == {trace}


async def test_a_call_can_belong_to_a_task(system: System):
    account = await system.account()
    task = await system.new_task(account, max_budget="1")
    assert (task.status, task.total_cost, task.completed_at) == ("created", Decimal(0), None)
    async with system.agent() as (agent_id, _):
        replies = [await system.invoke(account, agent_id, task_id=task.id) for _ in range(3)]
    assert {reply.task_id for reply in replies} == {task.id}
    assert [step.id for step in await system.steps(account, task.id)] == [
        reply.step_id for reply in replies
    ]
    assert await system.paid(account, task.id) == Decimal("0.3")


async def stored(system: System, account: str) -> tuple[int, int]:
    (row,) = await system.rows(
        "SELECT (SELECT count(*) FROM task.tasks WHERE account = $1) AS tasks,"
        " (SELECT count(*) FROM task.steps WHERE account = $1) AS steps",
        account,
    )
    return row["tasks"], row["steps"]


async def test_an_unknown_agent_is_not_found_and_nothing_is_stored(system: System):
    account = await system.account()
    task = await system.new_task(account)
    for belongs_to in (None, task.id):
        refused = await system.refusal(account, "nobody", task_id=belongs_to)
        assert isinstance(refused, NotFound)
        assert refused.message == "Agent not found"
    assert await stored(system, account) == (1, 0)
    assert (await system.task(account, task.id)).status == "created"


async def test_an_unknown_task_is_not_found_and_nothing_is_stored(system: System):
    account = await system.account()
    theirs = await system.new_task(await system.account())
    async with system.agent() as (agent_id, agent):
        for task_id in ("nothing", theirs.id):
            refused = await system.refusal(account, agent_id, task_id=task_id)
            assert isinstance(refused, NotFound)
            assert refused.message == "Task not found"
    assert agent.calls == []
    assert await stored(system, account) == (0, 0)


FAILURES = [
    (is_busy(), Unavailable, "agent_busy"),
    (hangs_up, BadAnswer, "agent_unreachable"),
    (breaks_off, BadAnswer, "agent_unreachable"),
    (says("no JSON"), BadAnswer, "agent_error"),
    (says("oops", 500), BadAnswer, "agent_error"),
    (says({"detail": "too short"}, 422), Invalid, "agent_refused_payload"),
    (says({"detail": "at least 0.4"}, 402), PaymentRequired, "agent_refused_price"),
]


@pytest.mark.parametrize(("behaviour", "refusal", "reason"), FAILURES, ids=[f[2] for f in FAILURES])
async def test_a_failing_agent_is_not_paid(
    system: System, behaviour: object, refusal: type[Exception], reason: str
):
    account = await system.account()
    async with system.agent(behaviour) as (agent_id, _):
        refused = await system.refusal(account, agent_id)
    assert type(refused) is refusal
    (row,) = await system.rows("SELECT task_id FROM task.steps WHERE account = $1", account)
    (step,) = await system.steps(account, row["task_id"])
    assert (step.status, step.reason, step.error) == ("failed", reason, refused.message)
    assert (step.cost + step.external_cost, step.result) == (Decimal(0), None)
    task = await system.task(account, step.task_id)
    assert (task.status, task.total_cost) == ("failed", Decimal(0))
    await system.event(step.task_id, "hold.released")
    assert (await system.money(account, step.task_id)).captured == 0
    assert await system.wallet(account) == (Decimal(100), Decimal(0))


async def test_a_slow_agent_is_given_up(system: System):
    account = await system.account()
    async with ScriptedAgent() as agent:
        url = agent.url
    await system.list_agent("gone", url)
    refused = await system.refusal(account, "gone")
    assert isinstance(refused, BadAnswer)
    assert "reached" in refused.message


async def test_a_task_of_an_orchestrator_is_its_own(system: System):
    account = await system.account()
    async with system.agent() as (agent_id, agent):
        await system.order(account, start("orchestrated", spec("orchestrated-1", agent_id)))
        await system.step_is(account, "orchestrated", "orchestrated-1", "completed")
        refused = await system.refusal(account, agent_id, task_id="orchestrated")
    assert isinstance(refused, Conflict)
    assert len(agent.calls) == 1
    assert len(await system.steps(account, "orchestrated")) == 1


@pytest.mark.parametrize(
    "payload",
    [
        {"text": "a\x00b"},
        {"text": "日本語 🎉", "nested": {"list": [1, 2.5, None, True]}},
        {"text": {RESULT_KEY: "some-step"}},
        {},
    ],
    ids=["NUL", "unicode", "a reference", "nothing"],
)
async def test_a_payload_is_passed_on_as_it_is(system: System, payload: Payload):
    account = await system.account()
    async with system.agent() as (agent_id, agent):
        await system.invoke(account, agent_id, payload=payload)
    assert agent.calls[0].payload == payload


async def test_a_result_that_cannot_be_stored_is_made_readable(system: System):
    account = await system.account()
    odd = "a\x00b \ud83d"
    async with system.agent(answers(odd, vendor=odd, subtask_type=odd)) as (agent_id, _):
        reply = await system.invoke(account, agent_id)
    assert reply.result == "a\ufffdb ?"
    (step,) = await system.steps(account, reply.task_id)
    assert (step.result, step.subtask_type) == (reply.result, reply.result)


async def test_a_request_without_its_fields_is_invalid_and_nothing_is_stored(system: System):
    client = await system.bus.client()
    account = await system.account()
    for body in (
        {},
        {"agentId": "a"},
        {"agentId": "a", "payload": "text"},
        {"agentId": "a b", "payload": {}},
        {"agentId": "a", "payload": {}, "maxPrice": "-1"},
    ):
        answer = await client.request(
            "bazaar.rpc.task.invoke_agent",
            json.dumps(body).encode(),
            headers={"ce-account": account, "content-type": "application/json"},
            timeout=5,
        )
        assert (answer.headers or {})["Nats-Service-Error-Code"] == "422"
    assert await stored(system, account) == (0, 0)


@pytest.mark.parametrize(
    "fields",
    [{"user_query": "a\x00b"}, {"required_skills": ["a\x00b"]}],
)
async def test_a_task_with_a_nul_is_invalid(system: System, fields: Payload):
    account = await system.account()
    with pytest.raises(Invalid):
        await system.new_task(account, **fields)
    assert await stored(system, account) == (0, 0)


async def test_the_registry_hears_of_every_step(system: System):
    account = await system.account()
    async with system.agent(answers(), says("x", 500), answers()) as (agent_id, _):
        await system.invoke(account, agent_id)
        await system.refusal(account, agent_id)
        await system.invoke(account, agent_id)

        async def counted() -> bool:
            agent = await system.listed(agent_id)
            return (agent.jobs_completed, agent.load) == (2, 0)

        await eventually(counted)


async def test_a_long_result_is_cut_in_the_event_and_whole_everywhere_else(system: System):
    account, long = await system.account(), "Hola " * 20_000
    async with system.agent(answers(long, 0.1)) as (agent_id, _):
        reply = await system.invoke(account, agent_id)
    said = (await system.event(reply.task_id, "step.completed")).body
    assert (said["cut"], said["result"]) == (True, long[:TOLD_CHARS])
    (step,) = await system.steps(account, reply.task_id)
    assert step.result == reply.result == long
