"""Steps whose price was agreed on: what is held, sent and paid, and whose an agreement is."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from agents import mock_highprice, mock_negotiator
from agents.settings import Settings as AgentSettings
from chassis.bus.envelopes import new_id
from contracts.negotiation import Negotiated
from contracts.orders import AddSteps
from tests.agents.serving import served
from tests.support.polling import eventually
from tests.support.scripted_agent import Behaviour, ScriptedAgent, accepts, answers, refuses, says
from tests.support.system import System
from tests.task.plans import bill, spec, start


@pytest.fixture(scope="module")
async def haggler(system: System) -> AsyncIterator[tuple[str, ScriptedAgent]]:
    """An agent that costs 1 and takes every first offer, 0.6; its work is scripted by each test."""
    async with system.haggler(haggles=[accepts()]) as (agent_id, agent):
        yield agent_id, agent


Haggler = tuple[str, ScriptedAgent]


def work(agent: ScriptedAgent, *script: Behaviour) -> int:
    """Have it meet its next calls so; returns how many it had before."""
    before = len(agent.calls)
    agent.script = [script[0]] * before + list(script)
    return before


@pytest.mark.parametrize(
    ("asked", "overcharge"),
    [
        ({"cost": 0.6}, None),
        ({"cost": 0.6, "external_cost": 0.25}, "0.85"),
        ({"cost": 1}, "1"),
        ({"cost": 0.1}, None),
        ({"cost": 0}, None),
    ],
    ids=str,
)
async def test_the_agreed_price_is_held_and_paid_exactly(
    system: System, task_id: str, haggler: Haggler, asked: dict[str, Any], overcharge: str | None
):
    account = await system.account()
    agent_id, agent = haggler
    before = work(agent, answers(**asked))
    found = await system.negotiate(account, agent_id, task_id=task_id)
    step = spec(task_id, agent_id, {"text": "hi"}, negotiation_id=found.negotiation_id)
    await system.order(account, start(task_id, step))
    done = await system.step_is(account, task_id, task_id, "completed")
    assert (done.cost, done.external_cost) == (Decimal("0.6"), Decimal(0))
    (call,) = agent.calls[before:]
    assert call.payload == {"text": "hi", "offered_price": 0.6, "negotiated_price": 0.6}
    assert Decimal((await system.event(task_id, "hold.placed")).body["amount"]) == Decimal("0.6")
    assert await system.paid(account, task_id) == Decimal("0.6")
    assert system.events(task_id, "hold.extended") == []
    if overcharge is not None:
        said = (await system.event(task_id, "hold.overcharged")).body
        assert (Decimal(said["billed"]), Decimal(said["paid"])) == (
            Decimal(overcharge),
            Decimal("0.6"),
        )
    else:
        assert system.events(task_id, "hold.overcharged") == []
    (hold,) = await system.rows("SELECT list_price FROM payment.holds WHERE id = $1", task_id)
    assert hold["list_price"] == 1


@pytest.mark.parametrize(
    ("agent", "price", "agreed"),
    [(mock_negotiator, "0.60", "0.4"), (mock_highprice, "0.85", "0.5")],
)
async def test_our_own_agents_work_for_what_was_agreed(
    system: System, task_id: str, agent: Any, price: str, agreed: str
):
    account = await system.account()
    agent_id = f"agent-{new_id()[:12]}"
    with served(agent.build(AgentSettings())) as http:
        await system.list_agent(agent_id, str(http.base_url), price=price)
        await system.known_to_negotiate(agent_id)
        found = await system.negotiate(account, agent_id, task_id=task_id, max_price="0.55")
        step = spec(task_id, agent_id, {"task": "hi"}, negotiation_id=found.negotiation_id)
        await system.order(account, start(task_id, step, budget="0.5"))
        await system.step_is(account, task_id, task_id, "completed")
    assert await system.paid(account, task_id) == Decimal(agreed)
    await system.finish(account, task_id)
    ended = (await system.event(task_id, "task.completed")).body
    assert bill(ended) == Decimal(agreed)


@pytest.mark.parametrize(
    ("properties", "closed", "told"),
    [
        (["text"], False, {"offered_price", "negotiated_price"}),
        (["text", "offered_price"], True, {"offered_price"}),
        (["text"], True, set()),
    ],
)
async def test_an_agent_with_a_closed_payload_gets_no_field_it_does_not_know(
    system: System, task_id: str, properties: list[str], closed: bool, told: set[str]
):
    account = await system.account()
    schema: dict[str, Any] = {"type": "object", "properties": {name: {} for name in properties}}
    if closed:
        schema["additionalProperties"] = False
    async with system.haggler(haggles=[accepts()], info={"input_schema": schema}) as (
        agent_id,
        agent,
    ):
        found = await system.negotiate(account, agent_id, task_id=task_id)
        step = spec(task_id, agent_id, {"text": "hi"}, negotiation_id=found.negotiation_id)
        await system.order(account, start(task_id, step))
        await system.step_is(account, task_id, task_id, "completed")
    assert agent.calls[0].payload.keys() == {"text", *told}
    assert await system.paid(account, task_id) == Decimal("0.6")


async def not_run(
    system: System, account: str, task_id: str, agent_id: str, **step: Any
) -> str | None:
    """Order a step that must fail before its agent is called or any money is held."""
    step_id = f"{task_id}-{new_id()[:6]}"
    await system.order(account, AddSteps(task_id=task_id, steps=[spec(step_id, agent_id, **step)]))
    failed = await system.step_is(account, task_id, step_id, "failed")
    assert failed.reason == "not_covered"

    async def began() -> list[bool]:
        said = system.events(task_id, "step.failed")
        return [one.body["started"] for one in said if one.body["stepId"] == step_id]

    assert await eventually(began) == [False]
    assert (await system.money(account, task_id)).held == 0
    return failed.error


async def test_an_agreement_is_good_for_one_step_of_one_agent_task_and_account(
    system: System, task_id: str, haggler: Haggler
):
    owner, other = await system.account(), await system.account()
    agent_id, agent = haggler
    work(agent, answers(cost=0.6))
    for account in (owner, other):
        await system.order(account, start(f"{task_id}-{account}", spec(account, agent_id)))
        await system.step_is(account, f"{task_id}-{account}", account, "completed")
    before = len(agent.calls)
    mine, others = f"{task_id}-{owner}", f"{task_id}-{other}"
    found = await system.negotiate(owner, agent_id, task_id=mine, max_price="0.7")
    agreed: dict[str, Any] = {"negotiation_id": found.negotiation_id}

    async def refused(account: str, task: str, agent: str = agent_id, **more: Any) -> str | None:
        return await not_run(system, account, task, agent, **agreed | more)

    assert await refused(other, others) == f"There is no agreement {found.negotiation_id}."
    assert "another agent" in str(await refused(owner, mine, await known_other(system)))
    assert "no agreement nope" in str(await refused(owner, mine, negotiation_id="nope"))
    assert "more than 0.5 BazaarBucks" in str(await refused(owner, mine, max_price="0.5"))
    elsewhere = await system.negotiate(owner, agent_id, task_id="another")
    assert "another task" in str(
        await refused(owner, mine, negotiation_id=elsewhere.negotiation_id)
    )
    assert len(agent.calls) == before

    first = f"{task_id}-first"
    await system.order(owner, AddSteps(task_id=mine, steps=[spec(first, agent_id, **agreed)]))
    await system.step_is(owner, mine, first, "completed")
    assert "used for another step" in str(await refused(owner, mine))
    assert len(agent.calls) == before + 1


async def known_other(system: System) -> str:
    """An agent that is listed and nowhere."""
    agent_id = f"agent-{new_id()[:12]}"
    await system.list_agent(agent_id, "http://127.0.0.1:9")
    return agent_id


async def test_what_was_not_agreed_on_is_no_price(system: System, task_id: str):
    account = await system.account()
    async with system.haggler(haggles=[refuses()]) as (agent_id, agent):
        await system.order(account, start(task_id))
        found = await system.negotiate(account, agent_id, task_id=task_id)
        agreed: dict[str, Any] = {"negotiation_id": found.negotiation_id}
        error = await not_run(system, account, task_id, agent_id, **agreed)
    assert error == "No price was agreed on with this agent."
    assert agent.calls == []


async def test_an_agreement_outlives_a_step_that_failed(
    system: System, task_id: str, haggler: Haggler
):
    account = await system.account()
    agent_id, agent = haggler
    work(agent, says("no", 500), answers(cost=0.6))
    found = await system.negotiate(account, agent_id, task_id=task_id)
    first, second = (f"{task_id}-{n}" for n in (1, 2))
    agreed: dict[str, Any] = {"negotiation_id": found.negotiation_id}
    # Enough for one hold only: the second is placed in the stead of the first.
    await system.order(account, start(task_id, spec(first, agent_id, **agreed), budget="1"))
    await system.step_is(account, task_id, first, "failed")
    again = spec(second, agent_id, replaces=first, **agreed)
    await system.order(account, AddSteps(task_id=task_id, steps=[again]))
    await system.step_is(account, task_id, second, "completed")
    # More than 0.6 when the steps of other tests are still on its mind: its price is higher then.
    assert await system.paid(account, task_id) == found.price


async def test_an_agreement_above_the_budget_is_not_covered(
    system: System, task_id: str, haggler: Haggler
):
    account = await system.account()
    agent_id, agent = haggler
    before = len(agent.calls)
    found: Negotiated = await system.negotiate(account, agent_id, task_id=task_id)
    step = spec(task_id, agent_id, negotiation_id=found.negotiation_id)
    await system.order(account, start(task_id, step, budget="0.5"))
    failed = await system.step_is(account, task_id, task_id, "failed")
    assert failed.reason == "not_covered"
    assert len(agent.calls) == before
