"""Holds, asked over the bus: what is set aside, and what is refused."""

import asyncio
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from chassis.bus.envelopes import new_id
from contracts.errors import Conflict, Invalid, NotFound, PaymentRequired, Refusal
from contracts.payment import GET_TASK_ACCOUNT, PLACE_HOLD, GetTaskAccount, PlaceHold
from payment_svc.domain import wallet_of
from tests.payment.conftest import NewCustomer
from tests.payment.helpers import Balance, Customer, completed, failed
from tests.support.polling import eventually


async def test_a_hold_sets_money_aside_in_budget_and_wallet(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    hold = await buyer.hold("2.5", task=task, budget="5")

    assert await buyer.wallet() == Balance(Decimal(10), Decimal("2.5"))
    assert await buyer.budget(task) == (Decimal("2.5"), Decimal(0))
    account = await buyer.ask(GET_TASK_ACCOUNT, GetTaskAccount(task_id=task))
    assert (account.held, account.captured) == (Decimal("2.5"), Decimal(0))
    placed = await buyer.event(task, "hold.placed")
    assert placed.body == {
        "taskId": task,
        "holdId": hold,
        "agentId": "translator",
        "amount": "2.5",
    }
    assert placed.headers["ce-account"] == buyer.account


async def test_a_task_without_holds_and_one_of_another_account_have_nothing(
    customer: NewCustomer,
) -> None:
    buyer, other, task = await customer("10"), await customer("10"), new_id()
    await buyer.hold("1", task=task)
    for asker, asked in ((buyer, new_id()), (other, task)):
        account = await asker.ask(GET_TASK_ACCOUNT, GetTaskAccount(task_id=asked))
        assert account.held == account.captured == 0


async def test_what_is_spent_while_a_hold_waits_for_the_wallet_is_not_spent_twice(
    customer: NewCustomer, sql: "asyncpg.Pool[Any]"
) -> None:
    buyer, task, step = await customer("10"), new_id(), new_id()
    change = "UPDATE payment.ledger_accounts SET held = $2 WHERE id = $1"
    wallet = wallet_of(buyer.account)

    async def waits() -> bool:
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
        return bool(await sql.fetchval(waiting))

    async with sql.acquire() as other, other.transaction():
        await other.execute(change, wallet, Decimal(9))
        asked = asyncio.create_task(buyer.hold("2", task=task, id_=step))  # Covered, as it looks.
        await eventually(waits)
    with pytest.raises(PaymentRequired, match="wallet does not cover 2 BazaarBucks"):
        await asked
    assert await buyer.status(step) is None
    assert await buyer.budget(task) is None
    assert await buyer.wallet() == Balance(Decimal(10), Decimal(9))
    await sql.execute(change, wallet, Decimal(0))


async def test_what_the_budget_does_not_cover_is_declined(customer: NewCustomer) -> None:
    buyer, task, refused = await customer("100"), new_id(), new_id()
    await buyer.hold("4", task=task, budget="5")
    with pytest.raises(
        PaymentRequired, match=r"budget of 5 BazaarBucks does not cover another 1\.5"
    ):
        await buyer.hold("1.5", task=task, budget="5", id_=refused)

    assert await buyer.wallet() == Balance(Decimal(100), Decimal(4))
    assert await buyer.budget(task) == (Decimal(4), Decimal(0))
    assert await buyer.status(refused) is None
    declined = await buyer.event(task, "hold.declined")
    assert declined.body == {
        "taskId": task,
        "holdId": refused,
        "agentId": "translator",
        "amount": "1.5",
        "reason": "budget_exceeded",
        "spender": None,
    }
    await buyer.hold("1", task=task, budget="5")  # To the last BazaarBuck.


async def test_a_first_hold_above_the_budget_leaves_no_budget(customer: NewCustomer) -> None:
    buyer, task = await customer("100"), new_id()
    with pytest.raises(PaymentRequired):
        await buyer.hold("2", task=task, budget="1.999999")
    assert await buyer.budget(task) is None


async def test_what_the_wallet_does_not_cover_is_declined(customer: NewCustomer) -> None:
    buyer, task, refused = await customer("1"), new_id(), new_id()
    with pytest.raises(PaymentRequired, match=r"wallet does not cover 1\.000001 BazaarBucks"):
        await buyer.hold("1.000001", task=task, id_=refused)

    assert await buyer.wallet() == Balance(Decimal(1), Decimal(0))
    assert await buyer.budget(task) is None
    assert await buyer.status(refused) is None
    assert (await buyer.event(task, "hold.declined")).body["reason"] == "wallet_exhausted"
    await buyer.hold("1", task=task, id_=refused)  # The id is still free.


async def test_an_account_without_a_wallet_can_pay_nothing(customer: NewCustomer) -> None:
    buyer = await customer("1")
    stranger = Customer(new_id(), buyer.bus, buyer.js, buyer.sql)
    with pytest.raises(PaymentRequired):
        await stranger.hold("0.1", task=new_id())


async def test_the_same_hold_again_is_the_same_hold(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    hold = await buyer.hold("3", task=task)
    again = await asyncio.gather(*(buyer.hold("3", task=task, id_=hold) for _ in range(5)))
    assert again == [hold] * 5
    assert await buyer.wallet() == Balance(Decimal(10), Decimal(3))

    await buyer.told(completed(task, hold, "2"))
    assert await buyer.hold("3", task=task, id_=hold) == hold  # A late repeat changes nothing.
    assert await buyer.wallet() == Balance(Decimal(8), Decimal(0))
    assert len(await buyer.said(task, "hold.placed")) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"task": "another-task"},
        {"agent": "another-agent"},
        {"amount": "3.000001"},
        {"replaces": "another-step"},
        {"replaces": None},
        {"list_price": "4.000001"},
        {"list_price": None},
    ],
)
async def test_an_id_cannot_be_used_for_another_hold(
    customer: NewCustomer, changed: dict[str, str]
) -> None:
    buyer, task = await customer("10"), new_id()
    same = {"amount": "3", "task": task, "replaces": "lost", "list_price": "4"}
    hold = await buyer.hold(**same)
    with pytest.raises(Conflict):
        await buyer.hold(**{**same, "id_": hold, **changed})
    assert (await buyer.wallet()).held == 3
    assert await buyer.hold(**{**same, "id_": hold}) == hold


async def test_an_id_of_another_account_cannot_be_used(customer: NewCustomer) -> None:
    buyer, thief, task = await customer("10"), await customer("10"), new_id()
    hold = await buyer.hold("3", task=task)
    with pytest.raises(Conflict):
        await thief.hold("3", task=task, id_=hold)
    with pytest.raises(NotFound):
        await thief.extend(hold, "4")
    with pytest.raises(PaymentRequired):  # Nor can the task's budget be spent by another.
        await thief.hold("1", task=task)
    assert (await thief.wallet()).held == 0
    assert (await buyer.wallet()).held == 3


async def test_after_its_release_a_hold_does_not_come_back(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    hold = await buyer.hold("3", task=task)
    await buyer.told(failed(task, hold))
    with pytest.raises(Conflict, match="This step is over"):
        await buyer.hold("3", task=task, id_=hold)
    with pytest.raises(Conflict):
        await buyer.extend(hold, "4")
    assert await buyer.wallet() == Balance(Decimal(10), Decimal(0))


async def test_thirty_holds_at_once_on_a_budget_for_ten(customer: NewCustomer) -> None:
    buyer, task = await customer("100"), new_id()
    asked = [buyer.hold("0.5", task=task, budget="5") for _ in range(30)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(outcome, str) for outcome in outcomes) == 10
    assert sum(isinstance(outcome, PaymentRequired) for outcome in outcomes) == 20
    assert await buyer.budget(task) == (Decimal(5), Decimal(0))
    assert (await buyer.wallet()).held == 5


async def test_many_tasks_at_once_on_a_small_wallet(customer: NewCustomer) -> None:
    buyer = await customer("3")
    asked = [buyer.hold("0.4", task=new_id(), budget="1") for _ in range(30)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(outcome, str) for outcome in outcomes) == 7
    assert sum(isinstance(outcome, PaymentRequired) for outcome in outcomes) == 23
    assert await buyer.wallet() == Balance(Decimal(3), Decimal("2.8"))


async def test_the_same_id_at_once_with_two_bodies_is_one_hold(customer: NewCustomer) -> None:
    buyer, task, id_ = await customer("10"), new_id(), new_id()
    asked = [buyer.hold(amount, task=task, id_=id_) for amount in ("1", "2") * 5]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(outcome == id_ for outcome in outcomes) == 5
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 5


@pytest.mark.parametrize(
    ("wallet", "budget", "held"),
    [
        ("10", "5", "4"),  # All that is asked.
        ("10", "3", "3"),  # As far as the budget allows.
        ("2.5", "5", "2.5"),  # As far as the wallet allows.
        ("10", "1", "1"),  # Not at all: the budget is used up.
        ("1", "10", "1"),  # Not at all: the wallet is empty.
    ],
)
async def test_a_hold_is_extended_as_far_as_budget_and_wallet_allow(
    customer: NewCustomer, wallet: str, budget: str, held: str
) -> None:
    buyer, task = await customer(wallet), new_id()
    hold = await buyer.hold("1", task=task, budget=budget)
    assert await buyer.extend(hold, "4") == Decimal(held)
    assert await buyer.budget(task) == (Decimal(held), Decimal(0))
    assert (await buyer.wallet()).held == Decimal(held)
    assert await buyer.extend(hold, "0.5") == Decimal(held)  # Never lowered.
    if Decimal(held) > 1:
        extended = await buyer.event(task, "hold.extended")
        assert Decimal(extended.body["amount"]) == Decimal(held)
    else:
        assert await buyer.events(task, "hold.extended") == []


async def test_what_is_captured_already_is_no_room_for_an_extension(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    done = await buyer.hold("2", task=task, budget="5")
    await buyer.told(completed(task, done, "1.5"))
    hold = await buyer.hold("1", task=task, budget="5")
    await buyer.hold("1", task=task, budget="5")
    assert await buyer.extend(hold, "5") == Decimal("2.5")


async def test_extensions_at_once_share_what_there_is(customer: NewCustomer) -> None:
    buyer, task = await customer("100"), new_id()
    holds = [await buyer.hold("1", task=task, budget="12") for _ in range(8)]
    held = await asyncio.gather(*(buyer.extend(hold, "3") for hold in holds for _ in range(2)))
    assert max(held) == 3
    assert await buyer.budget(task) == (Decimal(12), Decimal(0))
    assert (await buyer.wallet()).held == 12


async def test_a_hold_that_is_unknown_or_captured_cannot_be_extended(customer: NewCustomer) -> None:
    buyer, task = await customer("10"), new_id()
    with pytest.raises(NotFound):
        await buyer.extend(new_id(), "1")
    hold = await buyer.hold("1", task=task)
    await buyer.told(completed(task, hold, "1"))
    with pytest.raises(Conflict):
        await buyer.extend(hold, "2")


@pytest.mark.parametrize("amount", ["-0.000001", "1000000.000001", "0.0000001", "NaN", "Infinity"])
async def test_an_amount_that_is_none_is_refused(customer: NewCustomer, amount: str) -> None:
    buyer, task = await customer("10"), new_id()
    request = PlaceHold.model_construct(
        hold_id=new_id(),
        task_id=task,
        agent_id="translator",
        amount=Decimal(amount),
        max_budget=Decimal(100),
    )
    with pytest.raises(Invalid, match="amount: "):
        await buyer.ask(PLACE_HOLD, request)
    assert await buyer.budget(task) is None


async def test_a_hold_of_nothing_is_a_hold(customer: NewCustomer) -> None:
    buyer, task = await customer("0"), new_id()
    hold = await buyer.hold("0", task=task, budget="0")
    with pytest.raises(Refusal):
        await buyer.hold("0.000001", task=task, budget="0")
    assert await buyer.extend(hold, "1") == 0
