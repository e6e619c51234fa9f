"""An agent that answers 402 is paid: once for its work, within the hold, and not for nothing."""

import base64
import json
from decimal import Decimal
from typing import Any

import pytest

from chassis.bus.envelopes import new_id
from contracts.errors import PaymentRequired, TooSlow
from contracts.machine import PAY_AGENT
from contracts.payment import PLACE_HOLD
from tests.doubles.machine.facilitator import ASSET, NETWORK
from tests.doubles.machine.seller import PAYEE as SELLERS
from tests.doubles.machine.seller import nothing
from tests.machine.system import NOTHING, PAYER, Market, told
from tests.support.polling import eventually


async def bought(shop: Market, account: str, task_id: str) -> Any:
    """What a task bought outside, as the books have it."""
    (row,) = await shop.system.rows(
        "SELECT h.captured, h.external, s.rail, s.status, s.note, p.status AS sent, p.units"
        " FROM payment.holds h JOIN payment.stripe_payments s ON s.step_id = h.id"
        " JOIN payment.machine_payments p ON p.hold_id = h.id"
        " WHERE h.task_id = $1 AND h.account = $2",
        task_id,
        account,
    )
    return row


async def test_an_agent_that_answers_402_is_paid_its_cheapest_offer(shop: Market) -> None:
    account, had = await shop.system.account("5"), shop.facilitator.has(SELLERS)
    async with shop.seller("$0.90", "$0.10") as (agent_id, seller):
        done = await shop.system.invoke(account, agent_id)
        assert (done.cost, done.external_cost) == (NOTHING, Decimal("0.1"))
        await shop.system.money(account, done.task_id)
        row = await bought(shop, account, done.task_id)
        assert (row["captured"], row["external"], row["units"]) == (0, Decimal("0.1"), 100_000)
        assert (row["sent"], row["status"]) == ("paid", "completed")
        assert "no card" in row["note"]
        assert shop.facilitator.has(SELLERS) - had == 100_000
        assert (seller.worked, len(seller.keys), len(set(seller.keys))) == (1, 2, 1)
    assert await shop.available(account) == Decimal("4.9")


async def test_above_the_hold_nothing_is_signed_and_all_is_released(shop: Market) -> None:
    account = await shop.system.account("5")
    async with shop.seller("$1.50", price="1") as (agent_id, seller):
        refusal = await shop.system.refusal(account, agent_id)
        assert isinstance(refusal, PaymentRequired)
        assert "more than" in refusal.message
        assert seller.signatures == [None]
    await eventually(lambda: has(shop, account, "5"))


async def test_what_would_be_too_long_a_header_is_refused_before_it_is_signed_for(
    shop: Market,
) -> None:
    account, step_id = await shop.system.account("5"), f"step-{new_id()[:10]}"
    offer: dict[str, Any] = {
        "scheme": "exact",
        "network": NETWORK,
        "asset": ASSET,
        "amount": "1000",
    }
    offer |= {"payTo": SELLERS, "maxTimeoutSeconds": 300, "extra": {"much": "x" * 11_800}}
    asked = {"x402Version": 2, "resource": {"url": "http://a"}, "accepts": [offer]}
    header = base64.b64encode(json.dumps(asked).encode()).decode()
    await shop.system.ask(
        PLACE_HOLD,
        account,
        hold_id=step_id,
        task_id="t" + step_id,
        agent_id="a",
        amount="1",
        max_budget="1",
    )
    with pytest.raises(PaymentRequired, match="longer than"):
        await shop.system.ask(
            PAY_AGENT, account, hold_id=step_id, work=step_id, agent_id="a", required=header
        )
    sent = "SELECT id FROM payment.machine_payments WHERE work = $1"
    assert await shop.system.rows(sent, step_id) == []


async def has(shop: Market, account: str, amount: str) -> bool:
    return await shop.available(account) == Decimal(amount)


async def test_an_agent_whose_listing_does_not_say_so_is_not_paid(shop: Market) -> None:
    account = await shop.system.account("5")
    async with shop.seller("$0.10", says_so=False) as (agent_id, seller):
        refusal = await shop.system.refusal(account, agent_id)
        assert isinstance(refusal, PaymentRequired)
        assert seller.signatures == [None]


async def test_paid_and_without_a_result_it_is_not_paid_again(shop: Market) -> None:
    account, step_id = await shop.system.account("5"), f"step-{new_id()[:10]}"
    had = shop.facilitator.has(PAYER.address)
    async with shop.seller("$0.10") as (agent_id, seller):
        seller.after.append(nothing())
        refusal = await shop.system.refusal(account, agent_id, step_id=step_id)
        assert isinstance(refusal, TooSlow)
        assert "not known" in refusal.message
        await eventually(lambda: has(shop, account, "5"))
        # Asked again for the same work, it gets the same signature: that pays once at most.
        done = await shop.system.invoke(account, agent_id, step_id=step_id)
        first, second = [one for one in seller.signatures if one]
        assert first == second
        assert (done.external_cost, seller.worked) == (Decimal("0.1"), 1)
        await shop.system.money(account, done.task_id)
    assert had - shop.facilitator.has(PAYER.address) == 100_000
    await eventually(lambda: has(shop, account, "4.9"))


async def test_what_was_used_is_not_signed_for_again_when_it_has_lapsed(shop: Market) -> None:
    account, step_id = await shop.system.account("5"), f"step-{new_id()[:10]}"
    async with shop.seller("$0.10") as (agent_id, seller):
        seller.after.append(nothing())
        await shop.system.refusal(account, agent_id, step_id=step_id)
        nonce = told(str(seller.signatures[-1]))["payload"]["authorization"]["nonce"].lower()
        await shop.system.rows(
            "UPDATE payment.machine_payments SET valid_before = now() - interval '1 hour'"
            " WHERE nonce = $1",
            nonce,
        )
        shop.facilitator.used[PAYER.address.lower(), nonce] = "0x" + "01" * 32
        refusal = await shop.system.refusal(account, agent_id, step_id=step_id)
        assert "took what it was paid" in refusal.message
        # Had it not been used, another one would be signed.
        del shop.facilitator.used[PAYER.address.lower(), nonce]
        done = await shop.system.invoke(account, agent_id, step_id=step_id)
        assert done.external_cost == Decimal("0.1")
        await shop.system.money(account, done.task_id)


async def test_agents_that_take_and_do_nothing_are_paid_no_more_that_day(shop: Market) -> None:
    account = await shop.system.account("5")
    lost = "UPDATE payment.machine_payments SET amount = 9.95 WHERE agent_id = $1"
    aged = "UPDATE payment.machine_payments SET created_at = now() - interval '25 hours'"
    async with shop.seller("$0.10") as (agent_id, seller):
        seller.after.append(nothing())
        await shop.system.refusal(account, agent_id)
        await shop.system.rows(lost, agent_id)
        asked = len(seller.signatures)
        refusal = await shop.system.refusal(account, agent_id)
        assert isinstance(refusal, PaymentRequired)
        assert "without a result" in refusal.message
        assert seller.signatures[asked:] == [None]
        await shop.system.rows(f"{aged} WHERE agent_id = $1", agent_id)
        done = await shop.system.invoke(account, agent_id)
        assert done.external_cost == Decimal("0.1")
        await shop.system.money(account, done.task_id)
    await eventually(lambda: has(shop, account, "4.9"))
