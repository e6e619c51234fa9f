"""What is given up is told to whoever waits: dead orders end their task."""

from decimal import Decimal

import pytest

from chassis.bus.envelopes import origin
from contracts.base import Command
from contracts.orders import AddSteps, FinishTask, StartTask
from tests.support.scripted_agent import answers, hangs
from tests.support.system import System
from tests.task.plans import spec, start


async def order_unreadably(
    system: System, account: str, order: type[Command], task_id: str, turn_id: str
) -> None:
    """Publish an order that nobody can carry out."""
    client = await system.bus.client()
    sent = origin("chat", f"{order.type}.v1", account).model_copy(update={"turn_id": turn_id})
    subject = f"bazaar.cmd.{order.type}.{task_id}"
    await client.jetstream().publish(subject, b"{", stream="COMMANDS", headers=sent.headers())


async def test_a_dead_order_to_begin_ends_its_turn(system: System, task_id: str):
    account = await system.account()
    await order_unreadably(system, account, StartTask, task_id, "turn-1")
    failed = await system.event(task_id, "task.failed")
    assert failed.body["turnId"] == failed.headers["ce-turnid"] == "turn-1"
    assert (failed.body["totalCost"], failed.body["bill"]) == ("0", [])
    assert "given up" in failed.body["note"]
    assert failed.headers["ce-account"] == account


@pytest.mark.parametrize("order", [AddSteps, FinishTask])
async def test_a_dead_order_ends_its_task(system: System, task_id: str, order: type[Command]):
    account = await system.account()
    done, running_ = f"{task_id}-1", f"{task_id}-2"
    async with (
        system.agent(answers("done", 0.3), price="0.3") as (quick, _),
        system.agent(hangs) as (slow, _),
    ):
        plan = start(task_id, spec(done, quick), spec(running_, slow))
        await system.order(account, plan)
        await system.step_is(account, task_id, done, "completed")
        await system.event(task_id, "hold.placed", count=2)
        await order_unreadably(system, account, order, task_id, plan.turn_id)
        task = await system.ended(account, task_id)
    assert (task.status, task.total_cost) == ("failed", Decimal("0.3"))
    failed = (await system.event(task_id, "task.failed")).body
    assert failed["turnId"] == plan.turn_id
    assert [(line["stepId"], line["status"]) for line in failed["bill"]] == [
        (done, "completed"),
        (running_, "failed"),
    ]
    assert (await system.money(account, task_id)).captured == Decimal("0.3")
    assert await system.wallet(account) == (Decimal("99.7"), Decimal(0))


async def test_a_dead_order_of_another_turn_ends_that_turn(system: System, task_id: str):
    account = await system.account()
    plan = start(task_id)
    await system.order(account, plan)
    await system.finish(account, task_id)
    await system.event(task_id, "task.completed")
    await order_unreadably(system, account, AddSteps, task_id, "turn-later")
    assert (await system.event(task_id, "task.failed")).body["turnId"] == "turn-later"
    assert (await system.task(account, task_id)).status == "failed"
    await order_unreadably(system, account, FinishTask, task_id, plan.turn_id)  # It is over.
    await system.settled()
    assert len(system.events(task_id, "task.failed")) == 1
