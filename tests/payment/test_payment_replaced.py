"""Holds for another try at a step, and budgets that grow."""

import asyncio
from decimal import Decimal

import pytest

from chassis.bus.envelopes import new_id
from contracts.errors import Conflict, PaymentRequired
from contracts.ledger import GET_RECEIPT, GetReceipt
from tests.payment.conftest import NewCustomer
from tests.payment.helpers import Balance, completed, failed


async def test_what_was_held_for_the_replaced_step_serves_the_next(customer: NewCustomer) -> None:
    buyer, task = await customer("3"), new_id()
    lost = await buyer.hold("2", task=task, budget="3")
    with pytest.raises(PaymentRequired):
        await buyer.hold("2.5", task=task, budget="3")
    step = await buyer.hold("2.5", task=task, budget="3", replaces=lost)

    assert await buyer.wallet() == Balance(Decimal(3), Decimal("2.5"))
    assert await buyer.budget(task) == (Decimal("2.5"), Decimal(0))
    assert (await buyer.status(lost), await buyer.status(step)) == ("released", "held")
    released = await buyer.event(task, "hold.released")
    assert released.body == {"taskId": task, "holdId": lost, "amount": "2.000000"}


async def test_a_smaller_hold_in_the_place_of_a_larger_one(customer: NewCustomer) -> None:
    buyer, task = await customer("3"), new_id()
    lost = await buyer.hold("3", task=task, budget="3")
    await buyer.hold("1", task=task, budget="3", replaces=lost)
    assert await buyer.wallet() == Balance(Decimal(3), Decimal(1))
    assert await buyer.budget(task) == (Decimal(1), Decimal(0))


@pytest.mark.parametrize("early", [True, False])
async def test_its_failure_may_be_told_before_or_after(customer: NewCustomer, early: bool) -> None:
    buyer, task = await customer("10"), new_id()
    lost = await buyer.hold("2", task=task)
    await buyer.extend(lost, "3")
    if early:
        await buyer.told(failed(task, lost))
    step = await buyer.hold("4", task=task, replaces=lost)
    if not early:
        await buyer.told(failed(task, lost))
    assert await buyer.hold("4", task=task, id_=step, replaces=lost) == step
    await buyer.told(failed(task, lost))

    assert await buyer.wallet() == Balance(Decimal(10), Decimal(4))
    assert await buyer.budget(task) == (Decimal(4), Decimal(0))
    assert (await buyer.event(task, "hold.released")).body["amount"] == "3.000000"


async def test_failure_and_replacement_at_once_free_it_once(customer: NewCustomer) -> None:
    buyer, task = await customer("100"), new_id()
    lost = [await buyer.hold("1", task=task, budget="8") for _ in range(8)]
    events = [failed(task, one) for one in lost]
    asked = [buyer.hold("1", task=task, budget="8", replaces=one) for one in lost]
    await asyncio.gather(*asked, *(buyer.tell(event) for event in events))
    await buyer.handled(events[0])
    assert await buyer.budget(task) == (Decimal(8), Decimal(0))
    assert (await buyer.wallet()).held == 8
    assert len(await buyer.said(task, "hold.released", 8)) == 8


async def test_the_same_replacement_at_once_is_one(customer: NewCustomer) -> None:
    buyer, task, step = await customer("10"), new_id(), new_id()
    lost = await buyer.hold("2", task=task)
    asked = [buyer.hold("3", task=task, id_=step, replaces=lost) for _ in range(6)]
    assert await asyncio.gather(*asked) == [step] * 6
    assert (await buyer.wallet()).held == 3
    assert len(await buyer.said(task, "hold.released")) == 1


async def test_a_replaced_step_that_was_paid_is_not_touched(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    paid = await buyer.hold("2", task=task)
    await buyer.told(completed(task, paid, "1.5"))
    await buyer.hold("3", task=task, replaces=paid)
    assert await buyer.status(paid) == "captured"
    assert await buyer.wallet() == Balance(Decimal("8.5"), Decimal(3))
    assert await buyer.events(task, "hold.released") == []


async def test_only_an_open_hold_of_the_same_task_and_account_is_released(
    customer: NewCustomer,
) -> None:
    buyer, other, task = await customer("10"), await customer("10"), new_id()
    elsewhere = await buyer.hold("2", task=new_id())
    theirs = await other.hold("2", task=new_id())
    for stranger in (elsewhere, theirs, new_id()):
        await buyer.hold("1", task=task, replaces=stranger)
    itself = new_id()
    for _ in range(2):
        await buyer.hold("1", task=task, id_=itself, replaces=itself)
    assert {await buyer.status(one) for one in (elsewhere, theirs, itself)} == {"held"}
    assert (await buyer.wallet()).held == 6
    assert await buyer.events(task, "hold.released") == []


async def test_a_replacement_that_is_declined_leaves_the_hold_to_its_own_end(
    customer: NewCustomer,
) -> None:
    buyer, task = await customer("10"), new_id()
    lost = await buyer.hold("2", task=task, budget="3")
    with pytest.raises(PaymentRequired):
        await buyer.hold("3.000001", task=task, budget="3", replaces=lost)
    assert await buyer.status(lost) == "held"
    assert (await buyer.wallet()).held == 2
    await buyer.told(failed(task, lost))
    assert (await buyer.wallet()).held == 0


async def test_a_replaced_hold_does_not_come_back(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    lost = await buyer.hold("2", task=task)
    await buyer.hold("1", task=task, replaces=lost)
    with pytest.raises(Conflict, match="This step is over"):
        await buyer.hold("2", task=task, id_=lost)
    with pytest.raises(Conflict):
        await buyer.extend(lost, "3")
    assert (await buyer.wallet()).held == 1


async def test_a_repeat_frees_nothing_that_was_held_since(customer: NewCustomer) -> None:
    buyer, task, lost = await customer("10"), new_id(), new_id()
    step = await buyer.hold("1", task=task, replaces=lost)
    await buyer.hold(
        "2", task=task, id_=lost
    )  # It came late: the step that it is for was replaced.
    assert await buyer.hold("1", task=task, id_=step, replaces=lost) == step
    assert await buyer.status(lost) == "held"
    assert await buyer.wallet() == Balance(Decimal(10), Decimal(3))
    assert await buyer.budget(task) == (Decimal(3), Decimal(0))
    await buyer.told(failed(task, lost))
    assert (await buyer.wallet()).held == 1


async def test_a_budget_grows_from_hold_to_hold_and_never_shrinks(customer: NewCustomer) -> None:
    buyer, task = await customer("100"), new_id()
    await buyer.hold("4", task=task, budget="5")
    with pytest.raises(PaymentRequired):
        await buyer.hold("4", task=task, budget="7.999999")
    late = await buyer.hold("4", task=task, budget="8")
    with pytest.raises(PaymentRequired):
        await buyer.hold("0.000001", task=task, budget="5")
    await buyer.told(failed(task, late))
    await buyer.hold("4", task=task, budget="5")  # Sent before the budget grew: it is still 8.
    assert await buyer.budget(task) == (Decimal(8), Decimal(0))


async def test_a_hold_again_with_a_budget_that_has_grown_is_the_same_hold(
    customer: NewCustomer,
) -> None:
    buyer, task = await customer("100"), new_id()
    hold = await buyer.hold("4", task=task, budget="5")
    for budget in ("9", "4"):
        assert await buyer.hold("4", task=task, budget=budget, id_=hold) == hold
    assert await buyer.extend(hold, "9") == 5  # A repeat changes nothing, not even the budget.


async def test_a_declined_hold_raises_no_budget(customer: NewCustomer) -> None:
    buyer, task = await customer("6"), new_id()
    hold = await buyer.hold("5", task=task, budget="5")
    with pytest.raises(PaymentRequired, match="wallet"):
        await buyer.hold("2", task=task, budget="50")
    assert await buyer.extend(hold, "6") == 5


async def test_a_receipt_says_what_the_agent_cost_before_the_price_was_agreed(
    customer: NewCustomer,
) -> None:
    buyer, task = await customer("10"), new_id()
    agreed = await buyer.hold("2", task=task, list_price="2.5")
    await buyer.hold("1", task=task)
    receipt = await buyer.ask(GET_RECEIPT, GetReceipt(task_id=task))
    assert {line.step_id == agreed: line.list_price for line in receipt.lines} == {
        True: Decimal("2.5"),
        False: None,
    }
