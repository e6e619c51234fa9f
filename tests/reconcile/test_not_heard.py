"""What task did not hear of a payment is told again until it has, and counts once."""

import asyncio
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from chassis.bus.envelopes import new_id
from chassis.db.transaction import Transaction
from contracts.ledger import ENTER_PAYMENT, REFUND_PAYMENT, PaymentEntered, PaymentRefunded
from payment_svc.check import store as store_check
from payment_svc.check.reconcile import ask_after_announcements
from payment_svc.settings import Settings as PaymentSettings
from tests.reconcile.conftest import Parts
from tests.support.polling import eventually
from tests.support.scripted_agent import answers
from tests.task.plans import spec, start

AT_ONCE = PaymentSettings(reconcile_s=0.001)


@pytest.mark.parametrize("ended", [False, True])
async def test_a_refund_that_was_not_heard_of_is_told_until_it_is(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    """Also of a task that has ended, which nobody has a reason to look at any more."""
    system, db, publish = parts.system, parts.payment.database, Transaction.publish
    account, task_id = await system.account(), f"task-{new_id()[:10]}"
    step, bonus = f"s-{task_id}", f"p-{task_id}"
    # Those of other tests' tasks: their services are gone, and nobody hears of them here.
    await system.rows("DELETE FROM payment.announcements")
    async with system.agent(answers("done", 0.5), price="0.5") as (agent_id, _):
        await system.order(account, start(task_id, spec(step, agent_id)))
        await system.step_is(account, task_id, step, "completed")
    paid = await system.event(task_id, "payment.recorded")
    if ended:
        await system.finish(account, task_id, turn_id=f"turn-{task_id}")
        await system.event(task_id, "task.completed")

    def lost(tx: Transaction, *messages: Any, **more: Any) -> None:
        if not isinstance(messages[0], PaymentRefunded | PaymentEntered):
            publish(tx, *messages, **more)

    async def broken() -> int:
        async with db.transaction() as tx:
            found = await store_check.broken_standing(tx.conn, 0)
        return found[store_check.HEARD_RULE]

    async def cost(wanted: str) -> bool:
        return (await system.task(account, task_id)).total_cost == Decimal(wanted)

    async def heard() -> bool:
        # It may have been told again, and waits for its time.
        await system.rows("UPDATE payment.announcements SET ask_at = NULL")
        await asyncio.gather(
            *(ask_after_announcements(db, parts.payment.bus, AT_ONCE) for _ in "12")
        )
        return not await system.rows("SELECT FROM payment.announcements")

    await eventually(heard)
    assert not await broken()
    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "publish", lost)
        back = {"payment_id": paid.body["paymentId"], "amount": "0.2"}
        await system.ask(REFUND_PAYMENT, account, refund_id=f"r-{task_id}", **back)
        by_hand = {"agent_id": "a", "amount": "0.1", "max_budget": "10"}
        await system.ask(ENTER_PAYMENT, account, task_id=task_id, payment_id=bonus, **by_hand)
    assert await cost("0.5")
    assert await broken() == 2
    await asyncio.gather(*(ask_after_announcements(db, parts.payment.bus, AT_ONCE) for _ in "12"))
    await eventually(partial(cost, "0.4"))
    await eventually(heard)
    assert await cost("0.4")
    assert not await broken()
