"""Ends of steps that cannot be settled: nothing is paid, and they are put aside for people."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from chassis.bus.envelopes import new_id
from contracts.payment import LIST_BAZAARBUCKS, ListBazaarBucks
from tests.payment.conftest import NewCustomer
from tests.payment.helpers import Balance, completed, failed
from tests.support.polling import eventually


@pytest.mark.parametrize("over", ["", "released"])
async def test_a_completed_step_without_an_open_hold_is_a_dead_letter(
    customer: NewCustomer, over: str
) -> None:
    buyer, task, step = await customer("10"), new_id(), new_id()
    if over:
        await buyer.hold("2", task=task, id_=step)
        await buyer.told(failed(task, step))
    done = completed(task, step, "2")
    id_ = await buyer.tell(done)
    [letter] = await eventually(lambda: buyer.dead_letters(done, id_))

    assert letter.subject == "bazaar.dlq.payment-step-completed"
    assert letter.body["stepId"] == step
    assert letter.headers["ce-type"] == "step.completed.v1"
    assert letter.headers["ce-account"] == buyer.account
    assert letter.headers["bazaar-consumer"] == "payment-step-completed"
    assert letter.headers["bazaar-subject"] == f"bazaar.evt.step.completed.{task}"
    assert letter.headers["bazaar-attempts"] == "1"
    assert letter.headers["bazaar-error"] == (
        f"Invalid: step {step} is completed but has no open hold"
    )
    await buyer.handled(done)
    assert await buyer.wallet() == Balance(Decimal(10), Decimal(0))
    assert (await buyer.ask(LIST_BAZAARBUCKS, ListBazaarBucks())).payments == []


async def test_a_step_that_costs_more_than_was_held_is_a_dead_letter_and_not_paid(
    customer: NewCustomer,
) -> None:
    buyer, task = await customer("10"), new_id()
    step = await buyer.hold("2", task=task)
    done = completed(task, step, "1.5", external_cost="0.500001")
    id_ = await buyer.tell(done)
    [letter] = await eventually(lambda: buyer.dead_letters(done, id_))
    assert letter.headers["bazaar-attempts"] == "1"
    assert "costs more than was held" in letter.headers["bazaar-error"]
    await buyer.handled(done)
    assert await buyer.status(step) == "held"
    assert await buyer.wallet() == Balance(Decimal(10), Decimal(2))
    await buyer.told(failed(task, step))  # It can still be settled by hand.
    assert await buyer.wallet() == Balance(Decimal(10), Decimal(0))


@pytest.mark.parametrize(
    "changed",
    [
        {"agent_id": "a" * 65},
        {"step_id": "has a space"},
        {"vendor": "v" * 5_000},
        {"vendor": "a\0b"},
        {"cost": "-1"},
    ],
)
async def test_an_event_that_no_capture_can_come_of_is_a_dead_letter_at_once(
    customer: NewCustomer, changed: dict[str, Any]
) -> None:
    buyer, task = await customer("10"), new_id()
    step = await buyer.hold("2", task=task)
    sound = completed(task, step, "1", external_cost="0.5")
    changed = {k: Decimal(v) if k == "cost" else v for k, v in changed.items()}
    done = sound.model_copy(update=changed)
    id_ = await buyer.tell(done)
    [letter] = await eventually(lambda: buyer.dead_letters(done, id_))
    assert letter.headers["bazaar-attempts"] == "1"
    await buyer.handled(done)
    assert await buyer.wallet() == Balance(Decimal(10), Decimal(2))


async def test_one_event_that_cannot_be_captured_does_not_hold_up_the_others(
    customer: NewCustomer,
) -> None:
    buyer, task = await customer("10"), new_id()
    steps = [await buyer.hold("0.1", task=task) for _ in range(20)]
    sound = [completed(task, step, "0.1") for step in steps[2:]]
    bad = [
        completed(task, steps[0], "0.2"),  # More than was held.
        completed(task, new_id(), "0.1"),  # Nothing was held.
        completed(task, steps[1], "0", external_cost="0.1", vendor="v" * 999),
    ]
    told = bad[:2] + sound[:5] + bad[2:] + sound[5:]
    ids = await asyncio.gather(*(buyer.tell(event) for event in told))
    await buyer.handled(sound[0])
    statuses = [await buyer.status(step) for step in steps]
    assert statuses == ["held"] * 2 + ["captured"] * 18
    assert await buyer.wallet() == Balance(Decimal("8.2"), Decimal("0.2"))
    for event, id_ in zip(told, ids, strict=True):
        letters = await buyer.dead_letters(event, id_)
        assert len(letters) == (event in bad)
