"""What the end of a step does to its hold: captured or released, exactly once."""

import asyncio
from decimal import Decimal

import pytest

from chassis.bus.envelopes import new_id
from contracts.errors import Conflict, PaymentRequired
from contracts.payment import (
    LIST_BAZAARBUCKS,
    LIST_STRIPE,
    BazaarBucksPaymentView,
    ListBazaarBucks,
    ListStripe,
    StripePaymentView,
)
from tests.payment.conftest import NewCustomer
from tests.payment.helpers import Balance, Customer, completed, failed


async def payments(buyer: Customer) -> list[BazaarBucksPaymentView]:
    return (await buyer.ask(LIST_BAZAARBUCKS, ListBazaarBucks())).payments


async def card_payments(buyer: Customer) -> list[StripePaymentView]:
    return (await buyer.ask(LIST_STRIPE, ListStripe())).payments


async def lines(buyer: Customer, step: str) -> dict[str, Decimal]:
    """What the ledger moved for a step, per ledger account."""
    query = "SELECT ledger_account, amount FROM entries WHERE step_id = $1"
    return dict(await buyer.sql.fetch(query, step))


async def test_a_capture_pays_the_agent_and_frees_the_rest(customer: NewCustomer) -> None:
    buyer, task, agent = await customer("10"), new_id(), f"agent-{new_id()}"
    step = await buyer.hold("3", task=task, budget="5", agent=agent)
    await buyer.told(completed(task, step, "1.25", agent_id=agent))

    assert await buyer.wallet() == Balance(Decimal("8.75"), Decimal(0))
    assert await buyer.budget(task) == (Decimal(0), Decimal("1.25"))
    assert await lines(buyer, step) == {
        f"wallet:{buyer.account}": Decimal("-1.25"),
        f"agent:{agent}": Decimal("1.25"),
    }
    [payment] = await payments(buyer)
    assert (payment.task_id, payment.agent_id, payment.amount, payment.type) == (
        task,
        agent,
        Decimal("1.25"),
        "agent_payment",
    )
    assert await card_payments(buyer) == []
    recorded = await buyer.event(task, "payment.recorded")
    assert recorded.body == {
        "taskId": task,
        "paymentId": payment.id,
        "stepId": step,
        "agentId": agent,
        "amount": "1.25",
        "externalAmount": "0",
    }
    await buyer.hold("3.75", task=task, budget="5")  # What was not captured can be held again.
    with pytest.raises(PaymentRequired):
        await buyer.hold("0.000001", task=task, budget="5")


async def test_what_an_agent_bought_goes_to_the_card_rail(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    step = await buyer.hold("3", task=task)
    await buyer.told(completed(task, step, "1", external_cost="0.5", vendor="Maps Inc."))

    assert await buyer.wallet() == Balance(Decimal("8.5"), Decimal(0))
    assert await buyer.budget(task) == (Decimal(0), Decimal("1.5"))
    assert (await lines(buyer, step))["card_clearing"] == Decimal("0.5")
    [spent] = await card_payments(buyer)
    assert (spent.vendor, spent.amount, spent.agent_id) == (
        "Maps Inc.",
        Decimal("0.5"),
        "translator",
    )
    assert (spent.status, spent.type, spent.rail) == ("completed", "card_spend", "simulated")
    updated = (await buyer.event(task, "stripe_payment.updated")).body
    assert (updated["paymentId"], updated["status"], updated["rail"]) == (
        spent.id,
        "completed",
        "simulated",
    )
    assert (await buyer.event(task, "payment.recorded")).body["externalAmount"] == "0.5"


async def test_a_step_may_cost_only_what_it_bought(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    step = await buyer.hold("1", task=task)
    await buyer.told(completed(task, step, "0", external_cost="1"))
    assert await buyer.wallet() == Balance(Decimal(9), Decimal(0))
    assert await payments(buyer) == []
    assert [spent.vendor for spent in await card_payments(buyer)] == ["translator"]


async def test_a_step_may_cost_nothing(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    step = await buyer.hold("1", task=task)
    await buyer.told(completed(task, step, "0"))
    assert await buyer.status(step) == "captured"
    assert await buyer.wallet() == Balance(Decimal(10), Decimal(0))
    assert await buyer.budget(task) == (Decimal(0), Decimal(0))
    assert await payments(buyer) == []
    assert await lines(buyer, step) == {}
    await buyer.event(task, "payment.recorded")  # Who waits for the bill hears that it is settled.


async def test_a_bill_above_the_hold_is_told_as_an_overcharge(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    step = await buyer.hold("2", task=task)
    await buyer.told(completed(task, step, "1.5", external_cost="0.5", billed="7.25"))
    overcharged = (await buyer.event(task, "hold.overcharged")).body
    assert (overcharged["billed"], overcharged["paid"]) == ("7.25", "2.0")
    refused = await buyer.sql.fetchval("SELECT refused FROM holds WHERE id = $1", step)
    assert refused == Decimal("5.25")
    assert await buyer.wallet() == Balance(Decimal(8), Decimal(0))


async def test_an_event_delivered_twice_is_captured_once(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    step = await buyer.hold("2", task=task)
    done = completed(task, step, "2", external_cost="0")
    id_ = await buyer.told(done)
    for _ in range(3):
        await buyer.tell(done, id_)
    await buyer.handled(done)
    assert await buyer.wallet() == Balance(Decimal(8), Decimal(0))
    assert len(await payments(buyer)) == 1
    await buyer.event(task, "payment.recorded")
    assert await buyer.dead_letters(done, id_) == []


async def test_two_events_of_one_step_are_captured_once(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    step = await buyer.hold("2", task=task)
    done = completed(task, step, "1", external_cost="1")
    ids = await asyncio.gather(*(buyer.tell(done) for _ in range(5)))
    await buyer.handled(done)
    assert await buyer.wallet() == Balance(Decimal(8), Decimal(0))
    assert (len(await payments(buyer)), len(await card_payments(buyer))) == (1, 1)
    await buyer.event(task, "payment.recorded")
    for id_ in ids:
        assert await buyer.dead_letters(done, id_) == []


async def test_a_failed_step_gets_its_money_back(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    step = await buyer.hold("2", task=task, budget="5")
    await buyer.extend(step, "3")
    gone = failed(task, step)
    for _ in range(3):
        await buyer.tell(gone)
    await buyer.handled(gone)
    assert await buyer.wallet() == Balance(Decimal(10), Decimal(0))
    assert await buyer.budget(task) == (Decimal(0), Decimal(0))
    assert await buyer.status(step) == "released"
    released = (await buyer.event(task, "hold.released")).body
    assert (released["holdId"], Decimal(released["amount"])) == (step, Decimal(3))


async def test_a_step_that_failed_before_its_hold_arrived_gets_none(customer: NewCustomer) -> None:
    buyer, task, step = await customer("10"), new_id(), new_id()
    await buyer.told(failed(task, step))
    with pytest.raises(Conflict, match="This step is over"):
        await buyer.hold("2", task=task, id_=step)
    assert await buyer.wallet() == Balance(Decimal(10), Decimal(0))
    assert await buyer.budget(task) is None
    assert await buyer.events(task) == []


async def test_a_hold_and_the_failure_of_its_step_at_once_leave_nothing_held(
    customer: NewCustomer,
) -> None:
    buyer, task = await customer("10"), new_id()
    steps = [new_id() for _ in range(10)]
    events = [failed(task, step) for step in steps]
    jobs = [
        job
        for step, event in zip(steps, events, strict=True)
        for job in (buyer.hold("0.5", task=task, id_=step), buyer.tell(event))
    ]
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    assert all(isinstance(outcome, str | Conflict) for outcome in outcomes), outcomes
    await buyer.handled(events[0])
    assert await buyer.wallet() == Balance(Decimal(10), Decimal(0))
    assert {await buyer.status(step) for step in steps} == {"released"}


async def test_a_failure_after_the_capture_gives_everything_back(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    step = await buyer.hold("2", task=task)
    await buyer.told(completed(task, step, "2"))
    assert await buyer.wallet() == Balance(Decimal(8), Decimal(0))
    await buyer.told(failed(task, step))
    assert await buyer.status(step) == "captured"
    assert await buyer.wallet() == Balance(Decimal(10), Decimal(0))
    assert await buyer.events(task, "hold.released") == []


async def test_records_and_events_of_a_capture_belong_to_the_holds_account(
    customer: NewCustomer,
) -> None:
    buyer, other, task = await customer("10"), await customer("10"), new_id()
    step = await buyer.hold("2", task=task)
    await other.told(completed(task, step, "1", external_cost="1", billed="3"))
    assert await buyer.wallet() == Balance(Decimal(8), Decimal(0))
    assert await other.wallet() == Balance(Decimal(10), Decimal(0))
    assert (len(await payments(buyer)), len(await payments(other))) == (1, 0)
    assert (len(await card_payments(buyer)), len(await card_payments(other))) == (1, 0)
    for type_ in ("payment.recorded", "stripe_payment.updated", "hold.overcharged"):
        event = await buyer.event(task, type_)
        assert event.headers["ce-account"] == buyer.account


async def test_events_of_one_transaction_keep_their_order(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    step = await buyer.hold("2", task=task)
    await buyer.told(completed(task, step, "1", external_cost="1", billed="3"))
    assert [event.type for event in await buyer.said(task, "*.*", 4)] == [
        "hold.placed",
        "stripe_payment.updated",
        "hold.overcharged",
        "payment.recorded",
    ]
