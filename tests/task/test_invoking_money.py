"""What a call costs: holds, bills, surges, caps, budgets, and all of that at once."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from contracts.base import Payload
from contracts.errors import PaymentRequired, Refusal
from contracts.ledger import REFUND_PAYMENT
from contracts.payment import LIST_BAZAARBUCKS, LIST_STRIPE
from contracts.task import InvokeReply
from tests.support.polling import eventually
from tests.support.scripted_agent import Behaviour, answers
from tests.support.system import System


async def agrees(system: System, account: str, task_id: str) -> Decimal:
    """What a task cost, when task, steps, payments and ledger all say the same."""
    total = await system.paid(account, task_id)
    bucks = (await system.ask(LIST_BAZAARBUCKS, account, limit=500)).payments
    cards = (await system.ask(LIST_STRIPE, account, limit=500)).payments
    amounts = [one.amount for one in bucks] + [one.amount for one in cards]
    assert sum(amounts, Decimal(0)) == total
    posted, held = await system.wallet(account)
    assert held == 0
    (row,) = await system.rows(
        "SELECT -sum(amount) AS left_wallet FROM payment.entries"
        " WHERE task_id = $1 AND ledger_account = $2",
        task_id,
        f"wallet:{account}",
    )
    assert (row["left_wallet"] or 0) == total
    assert posted >= 0
    return total


@pytest.mark.parametrize(
    ("bill", "request_", "cost", "external"),
    [
        ({"cost": 0.10}, {}, "0.10", "0"),
        ({"cost": 0.04}, {}, "0.04", "0"),
        ({"cost": 0}, {}, "0", "0"),
        ({"cost": 0.06, "external_cost": 0.04}, {}, "0.06", "0.04"),
        ({"cost": 0.06, "external_cost": 0.05}, {}, "0.06", "0.04"),
        ({"cost": 0.10, "external_cost": 0.05}, {}, "0.10", "0"),
        ({"cost": 0.100001}, {}, "0.10", "0"),
        ({"cost": 0.37}, {}, "0.10", "0"),
        ({"cost": 2, "external_cost": 3}, {}, "0.10", "0"),
        ({"cost": 1_000_000, "external_cost": 1_000_000}, {}, "0.10", "0"),
        ({"cost": 0.03 + 0.06}, {}, "0.09", "0"),
        ({"cost": 0.37}, {"max_price": "0.37"}, "0.10", "0"),
        ({"cost": 0.37}, {"max_price": "0.08"}, "0.08", "0"),
        ({"cost": 0.05}, {"max_price": "0.20"}, "0.05", "0"),
        ({"cost": 0.05, "external_cost": 0.05}, {"max_price": "0.08"}, "0.05", "0.03"),
        ({"cost": 0.37}, {"max_price": "0"}, "0", "0"),
    ],
    ids=str,
)
async def test_what_is_paid_of_a_bill(
    system: System, bill: Payload, request_: Payload, cost: str, external: str
):
    account = await system.account()
    async with system.agent(answers(**bill), price="0.10") as (agent_id, _):
        reply = await system.invoke(account, agent_id, **request_)
    assert (reply.cost, reply.external_cost) == (Decimal(cost), Decimal(external))
    assert await agrees(system, account, reply.task_id) == Decimal(cost) + Decimal(external)
    assert system.events(reply.task_id, "hold.extended") == []


async def test_a_quote_above_the_budget_or_the_wallet_is_refused_whatever_is_billed(
    system: System,
):
    poor, account = await system.account(grant="0.25"), await system.account()
    task = await system.new_task(account, max_budget="0.5")
    async with system.agent(answers(cost=0.1), price="0.6") as (agent_id, agent):
        for refused in (
            await system.refusal(account, agent_id, task_id=task.id),
            await system.refusal(poor, agent_id),
        ):
            assert isinstance(refused, PaymentRequired)
        assert agent.calls == []
        reply = await system.invoke(poor, agent_id, max_price="0.25")
    assert reply.cost == Decimal("0.1")
    assert await agrees(system, poor, reply.task_id) == Decimal("0.1")


@pytest.mark.parametrize(
    ("grant", "budget", "request_"),
    [
        ("0.09", "1", {}),
        ("0", "1", {}),
        ("1", "0.09", {}),
        ("1", "0", {}),
        ("1", "0.07", {"max_price": "0.08"}),
    ],
)
async def test_what_is_not_covered_is_refused_before_the_agent_is_called(
    system: System, grant: str, budget: str, request_: Payload
):
    account = await system.account(grant)
    task = await system.new_task(account, max_budget=budget)
    async with system.agent(price="0.10") as (agent_id, agent):
        refused = await system.refusal(account, agent_id, task_id=task.id, **request_)
    assert isinstance(refused, PaymentRequired)
    assert agent.calls == []
    (step,) = await system.steps(account, task.id)
    assert (step.status, step.reason) == ("failed", "not_covered")
    assert (await system.task(account, task.id)).status == "failed"
    await system.event(task.id, "hold.declined")
    assert await agrees(system, account, task.id) == 0
    assert await system.wallet(account) == (Decimal(grant), Decimal(0))


@pytest.mark.parametrize(
    ("load", "request_", "paid"),
    [(5, {}, "0.115"), (9, {}, "0.13"), (9, {"max_price": "0.11"}, "0.11"), (1, {}, "0.1")],
)
async def test_the_surge_that_was_quoted_is_paid(
    system: System, load: int, request_: Payload, paid: str
):
    account = await system.account()
    async with system.agent(answers(cost=0.1), price="0.10") as (agent_id, _):
        query = "UPDATE registry.agents SET active = $1 WHERE id = $2"
        await system.rows(query, load, agent_id)
        reply = await system.invoke(account, agent_id, **request_)
    assert reply.cost == Decimal(paid)
    assert await agrees(system, account, reply.task_id) == Decimal(paid)


async def attempts(
    system: System, account: str, agent_id: str, count: int, **request: Any
) -> tuple[list[InvokeReply], list[Refusal]]:
    """Simultaneous invocations: those that were answered, and those that were refused."""
    done = await asyncio.gather(
        *(system.invoke(account, agent_id, **request) for _ in range(count)),
        return_exceptions=True,
    )
    assert all(isinstance(one, InvokeReply | Refusal) for one in done), done
    return (
        [one for one in done if isinstance(one, InvokeReply)],
        [one for one in done if isinstance(one, Refusal)],
    )


@pytest.mark.parametrize(
    "behaviour",
    [answers(cost=0.25), answers(cost=0.02, external_cost=0.06)],
    ids=["more than quoted", "less, and purchases"],
)
async def test_many_calls_at_once_never_overspend_a_budget(system: System, behaviour: Behaviour):
    account = await system.account()
    task = await system.new_task(account, max_budget="0.75")
    async with system.agent(behaviour, price="0.10") as (agent_id, agent):
        answered, refused = await attempts(system, account, agent_id, 20, task_id=task.id)
    assert {type(one) for one in refused} <= {PaymentRequired}
    assert len(agent.calls) == len(answered) >= 1
    total = await agrees(system, account, task.id)
    assert total == sum((one.cost + one.external_cost for one in answered), Decimal(0))
    assert total <= Decimal("0.75")
    after = await system.task(account, task.id)
    assert after.status in ("completed", "failed")
    (row,) = await system.rows("SELECT open_steps FROM task.tasks WHERE id = $1", task.id)
    assert row["open_steps"] == 0
    steps = await system.steps(account, task.id)
    assert [step.status for step in steps].count("completed") == len(answered)
    assert [step.reason for step in steps].count("not_covered") == len(refused)


async def test_many_tasks_at_once_never_overspend_a_wallet(system: System):
    account = await system.account(grant="0.55")
    async with system.agent(answers(cost=0.15), price="0.10") as (agent_id, _):
        answered, refused = await attempts(system, account, agent_id, 12)
    assert {type(one) for one in refused} <= {PaymentRequired}
    totals = [await system.paid(account, one.task_id) for one in answered]
    assert sum(totals, Decimal(0)) <= Decimal("0.55")
    assert await system.wallet(account) == (Decimal("0.55") - sum(totals, Decimal(0)), Decimal(0))


async def test_a_call_right_after_a_refund_is_answered_and_its_agent_called_once(
    system: System,
):
    account = await system.account()
    async with system.agent(answers(cost=1), price="1") as (agent_id, agent):
        task = (await system.new_task(account, max_budget="1")).id
        await system.invoke(account, agent_id, task_id=task)
        assert await system.paid(account, task) == 1
        (payment,) = (await system.ask(LIST_BAZAARBUCKS, account)).payments
        await system.ask(REFUND_PAYMENT, account, payment_id=payment.id, refund_id=f"r-{task}")

        async def cost() -> Decimal:
            return (await system.task(account, task)).total_cost

        async def heard() -> bool:
            return not await cost()

        await eventually(heard)
        # As it is between the refund and the moment at which this service hears of it.
        late = "UPDATE task.tasks SET total_cost = $2 WHERE id = $1"
        await system.rows(late, task, Decimal(1))
        call = asyncio.create_task(system.invoke(account, agent_id, task_id=task))
        await agent.called(2)
        await asyncio.sleep(0.1)  # For a service that gives up at once.
        assert not call.done()
        await system.rows(late, task, Decimal(0))
        assert (await call).cost == 1
        assert len(agent.calls) == 2
        assert await cost() == 1
