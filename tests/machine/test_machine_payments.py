"""A call that the wallet does not cover is paid by a machine; an agent that answers 402 is paid."""

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from mpp.client.transport import Mpp
from mpp.methods.evm import client as evm
from mpp.methods.evm.assets import BASE_SEPOLIA_USDC
from starlette.responses import JSONResponse, Response
from x402.schemas import SettleRequest

from chassis.bus.envelopes import new_id
from contracts.errors import Busy, PaymentRequired, TooSlow, Unavailable
from contracts.machine import PAY_AGENT
from contracts.payment import PLACE_HOLD
from tests.doubles.machine import facilitator as behaving
from tests.doubles.machine.facilitator import ASSET, NETWORK, Facilitator
from tests.doubles.machine.seller import PAYEE as SELLERS
from tests.doubles.machine.seller import nothing
from tests.machine.system import PAYEE, PAYER, SECRET, Market, market
from tests.support.polling import eventually
from tests.support.stack import Stack

NOTHING = Decimal(0)
CALL = {"payload": {"text": "hi"}}


@pytest.fixture(scope="module")
async def all_of_it(stack: Stack) -> AsyncIterator[Market]:
    async with market(stack) as found:
        yield found


@pytest.fixture
async def shop(all_of_it: Market) -> AsyncIterator[Market]:
    """The market with doubles that behave; afterwards the books must be right."""
    all_of_it.facilitator.script.clear()
    all_of_it.facilitator.asked.clear()
    all_of_it.facilitator.node_is_away = False
    yield all_of_it
    await all_of_it.right()


def told(header: str) -> Any:
    return json.loads(base64.b64decode(header))


async def status(shop: Market, header: str) -> str:
    """How far the payment in a header came."""
    nonce = told(header)["payload"]["authorization"]["nonce"].lower()
    (row,) = await shop.system.rows(
        "SELECT status FROM payment.machine_receipts WHERE nonce = $1", nonce
    )
    return str(row["status"])


async def dear(shop: Market) -> Decimal:
    """A price that the wallet of the gateway's account does not cover."""
    return await shop.available(shop.account) + Decimal("0.4")


# In


async def test_the_library_of_x402_pays_for_a_call_and_the_call_goes_on(shop: Market) -> None:
    buyer, before = shop.buyer(), await shop.available(shop.account)
    async with shop.system.agent(price="0.5") as (agent_id, agent):
        body = {"agentId": agent_id, **CALL}
        async with shop.http() as plain:
            unpaid = await plain.post("/api/invoke-agent", json=body)
        assert (unpaid.status_code, agent.calls) == (402, [])
        assert unpaid.json()["required"] == 0.5
        asked = told(unpaid.headers["payment-required"])
        assert asked["x402Version"] == 2
        assert asked["accepts"][0]["payTo"] == PAYEE
        lacks = Decimal("0.5") - before
        assert Decimal(asked["accepts"][0]["amount"]).scaleb(-6) == lacks
        key = {"Idempotency-Key": new_id()}
        async with shop.http(transport=buyer.transport()) as paying:
            paid = await paying.post("/api/invoke-agent", json=body, headers=key)
        assert (paid.status_code, len(agent.calls)) == (200, 1), paid.text
        receipt = told(paid.headers["payment-response"])
        assert receipt["success"]
        assert Decimal(receipt["amount"]).scaleb(-6) == lacks
        async with shop.http() as plain:
            again = await plain.post(
                "/api/invoke-agent",
                json=body,
                headers={
                    **key,
                    "PAYMENT-SIGNATURE": buyer.sign(unpaid.headers["payment-required"]),
                },
            )
        # The same call, however it is paid: answered again, and nothing more is taken.
        assert (again.json(), len(agent.calls)) == (paid.json(), 1)
    assert shop.facilitator.has(buyer.key.address) == 10_000_000 - int(receipt["amount"])


async def test_the_library_of_mpp_pays_beside_the_key_of_its_account(shop: Market) -> None:
    buyer = shop.buyer()
    method = evm.charge(currency=BASE_SEPOLIA_USDC, account=buyer.key)
    price = await dear(shop)
    async with shop.system.agent(price=price) as (agent_id, agent), Mpp(methods=[method]) as mpp:
        async with shop.http(transport=mpp.payment_transport) as http:
            paid = await http.post("/api/invoke-agent", json={"agentId": agent_id, **CALL})
        assert (paid.status_code, len(agent.calls)) == (200, 1), paid.text
        assert "payment-receipt" in paid.headers


async def test_a_turn_with_a_budget_and_a_door_say_how_they_are_paid(shop: Market) -> None:
    said = {"content": "Translate 'hello' to Spanish", "maxBudget": 50}
    async with shop.http() as http:
        turn = await http.post("/api/hubchat/message", json=said)
        async with shop.system.agent(price=await dear(shop), skills=["poem"]) as (agent_id, _):
            door = await http.post(
                "/v1/chat/completions",
                json={"model": agent_id, "messages": [{"role": "user", "content": "hi"}]},
            )
    for answer in (turn, door):
        assert answer.status_code == 402, answer.text
        assert told(answer.headers["payment-required"])["accepts"]


async def test_a_payment_is_credited_once_whoever_sends_it_and_how_often(shop: Market) -> None:
    account, other = await shop.system.account("0"), await shop.system.account("0")
    header = await shop.signed(account, "0.25", shop.buyer())
    took = await asyncio.gather(
        *(shop.take(account, header) for _ in range(4)), return_exceptions=True
    )
    credited = [one for one in took if not isinstance(one, BaseException)]
    assert credited
    assert all(one.credited == Decimal("0.25") for one in credited)
    assert all(isinstance(one, Busy) for one in took if one not in credited)
    assert (await shop.take(account, header)).credited == Decimal("0.25")
    stolen = await shop.take(other, header)
    assert (stolen.credited, stolen.refused) == (NOTHING, "This payment was used before.")
    assert shop.facilitator.asked.count("settle") == 1
    assert (await shop.available(account), await shop.available(other)) == (
        Decimal("0.25"),
        NOTHING,
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"to": "0x" + "44" * 20}, "somebody else"),
        ({"value": "1"}, "another amount"),
        ({"validBefore": "1000"}, "expired"),
        ({"validAfter": "99999999999"}, "not good yet"),
        ({"nonce": "0x" + "55" * 32}, "signature"),
        ({"nonce": "55"}, "well-formed"),
    ],
)
async def test_what_can_be_seen_is_refused_before_anybody_is_asked(
    shop: Market, change: dict[str, str], why: str
) -> None:
    account = await shop.system.account("0")
    payment = told(await shop.signed(account, "0.25", shop.buyer()))
    payment["payload"]["authorization"] |= change
    header = base64.b64encode(json.dumps(payment).encode()).decode()
    taken = await shop.take(account, header)
    assert why in str(taken.refused)
    assert (shop.facilitator.asked, await shop.available(account)) == ([], NOTHING)


@pytest.mark.parametrize(
    "header", ["", "!", "e30=", "bnVsbA==", "WzFd", "eyJ4NDAyVmVyc2lvbiI6MX0="]
)
async def test_what_is_no_payment_is_refused_and_the_agent_not_called(
    shop: Market, header: str
) -> None:
    async with shop.system.agent(price="0") as (agent_id, agent), shop.http() as http:
        body = {"agentId": agent_id, **CALL}
        answer = await http.post(
            "/api/invoke-agent", json=body, headers={"PAYMENT-SIGNATURE": header}
        )
        assert (answer.status_code in (402, 422), agent.calls) == (True, [])


async def test_a_payment_that_is_refused_is_not_the_last_word_of_its_key(shop: Market) -> None:
    price, key = await dear(shop), {"Idempotency-Key": new_id()}
    async with shop.system.agent(price=price) as (agent_id, agent), shop.http() as http:

        async def sent(**headers: str) -> httpx.Response:
            body = {"agentId": agent_id, **CALL}
            return await http.post("/api/invoke-agent", json=body, headers=key | headers)

        asked = (await sent()).headers["payment-required"]
        poor = shop.buyer(units=10).sign(asked)
        for bad in ("e30=", "9" * 20_000, poor):
            refused = await sent(**{"PAYMENT-SIGNATURE": bad})
            assert (refused.status_code in (402, 422), agent.calls) == (True, [])
        paid = await sent(**{"PAYMENT-SIGNATURE": shop.buyer().sign(asked)})
        assert (paid.status_code, len(agent.calls)) == (200, 1), paid.text


async def test_without_money_nothing_is_settled(shop: Market) -> None:
    account = await shop.system.account("0")
    taken = await shop.take(account, await shop.signed(account, "0.25", shop.buyer(units=10)))
    assert "insufficient_balance" in str(taken.refused)
    assert "PAYMENT-REQUIRED" in taken.headers
    assert (shop.facilitator.asked, await shop.available(account)) == (["verify"], NOTHING)


async def test_valid_and_then_not_settled_is_refused_for_good(shop: Market) -> None:
    account = await shop.system.account("0")
    header = await shop.signed(account, "0.25", shop.buyer())
    shop.facilitator.script.append(behaving.refuses)
    for _ in range(2):
        assert "transaction_failed" in str((await shop.take(account, header)).refused)
    assert (await shop.available(account), await status(shop, header)) == (NOTHING, "refused")


async def test_settled_and_denied_it_is_found_on_the_network_and_credited_once(
    shop: Market,
) -> None:
    account = await shop.system.account("0")
    header = await shop.signed(account, "0.25", shop.buyer())
    shop.facilitator.script.append(behaving.settles_and_denies)
    for _ in range(2):
        assert (await shop.take(account, header)).credited == Decimal("0.25")
    assert await shop.available(account) == Decimal("0.25")


async def test_a_nonce_of_which_the_network_has_no_payment_is_left_to_a_person(
    shop: Market,
) -> None:
    account = await shop.system.account("0")
    header = await shop.signed(account, "0.25", shop.buyer())
    shop.facilitator.node_is_away = True
    shop.facilitator.script.append(behaving.settles_and_breaks)
    with pytest.raises(Busy):
        await shop.take(account, header)
    nonce = told(header)["payload"]["authorization"]["nonce"].lower()
    await shop.system.rows(
        "UPDATE payment.machine_receipts SET valid_before = now() - interval '2 days',"
        " next_attempt_at = now() WHERE nonce = $1",
        nonce,
    )

    async def in_doubt() -> bool:
        return await status(shop, header) == "doubt"

    await eventually(in_doubt)
    assert await shop.available(account) == NOTHING


@pytest.mark.parametrize(
    "lie",
    [
        behaving.lies(amount="1"),
        behaving.lies(network="eip155:8453"),
        behaving.lies(transaction=""),
        behaving.lies(payer="0x" + "66" * 20),
        behaving.breaks,
    ],
)
async def test_a_facilitator_that_lies_or_breaks_is_asked_again_and_believed_once(
    shop: Market, lie: behaving.Behaviour
) -> None:
    account = await shop.system.account("0")
    header = await shop.signed(account, "0.25", shop.buyer())
    shop.facilitator.script.append(lie)
    with pytest.raises(Busy):
        await shop.take(account, header)
    # It settled nothing then; the sweep has it settled.
    await eventually(lambda: credited(shop, account))
    assert (await shop.take(account, header)).credited == Decimal("0.25")


async def credited(shop: Market, account: str) -> bool:
    return await shop.available(account) == Decimal("0.25")


async def test_settled_without_an_answer_is_found_on_the_network_and_credited_once(
    shop: Market,
) -> None:
    account = await shop.system.account("0")
    header = await shop.signed(account, "0.25", shop.buyer())
    shop.facilitator.node_is_away = True
    shop.facilitator.script.append(behaving.settles_and_breaks)
    with pytest.raises(Busy):
        await shop.take(account, header)
    shop.facilitator.node_is_away = False
    await eventually(lambda: credited(shop, account))
    assert await status(shop, header) == "settled"


async def test_a_facilitator_that_is_away_costs_nothing_and_the_payment_stays_good(
    shop: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await shop.system.account("0")
    header = await shop.signed(account, "0.25", shop.buyer())
    with monkeypatch.context() as away:
        away.setattr(shop.facilitator, "why_not", lambda _asked: 1 / 0)
        with pytest.raises(Unavailable):
            await shop.take(account, header)
    assert (await shop.available(account), await status(shop, header)) == (NOTHING, "new")
    assert (await shop.take(account, header)).credited == Decimal("0.25")


async def test_killed_between_the_settling_and_the_credit_it_is_found_and_credited_once(
    shop: Market,
) -> None:
    account = await shop.system.account("0")
    header = await shop.signed(account, "0.25", shop.buyer())
    died = asyncio.Event()

    async def kills(double: Facilitator, asked: SettleRequest) -> Response:
        double.move(asked)
        os.kill(child.pid, signal.SIGKILL)
        died.set()
        return JSONResponse({}, 500)

    shop.facilitator.script.append(kills)
    given = {
        "database_url": shop.system.stack.database_url("payment"),
        "machine_facilitator": shop.facilitator_url,
        "machine_payee": PAYEE,
        "machine_secret": SECRET,
    }
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.machine.child", json.dumps(given), account, header
    )
    assert await child.wait() == -signal.SIGKILL
    assert died.is_set()
    await eventually(lambda: credited(shop, account))
    assert await status(shop, header) == "settled"
    assert (await shop.take(account, header)).credited == Decimal("0.25")


async def test_a_closed_account_is_not_asked_to_pay(shop: Market) -> None:
    account = await shop.system.account("0")
    header = await shop.signed(account, "0.25", shop.buyer())
    await shop.system.rows(
        "UPDATE payment.ledger_accounts SET closed_at = now(), closed_reason = 'x' WHERE id = $1",
        f"wallet:{account}",
    )
    assert "closed" in str((await shop.take(account, header)).refused)
    assert shop.facilitator.asked == []


# Out


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
