"""A call that the wallet does not cover is paid by a machine: credited once, by whom it may be."""

import asyncio
import base64
import json
import os
import signal
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import httpx
import pytest
from mpp.client.transport import Mpp
from mpp.methods.evm import client as evm
from mpp.methods.evm.assets import BASE_SEPOLIA_USDC
from starlette.responses import JSONResponse, Response
from x402.schemas import SettleRequest

from chassis.bus.envelopes import new_id, origin
from contracts.errors import Busy, Unavailable
from contracts.machine import TakeMachinePayment
from payment_svc.machine.wiring import machine_of
from payment_svc.settings import Settings
from tests.doubles.machine import facilitator as behaving
from tests.doubles.machine.facilitator import Facilitator
from tests.machine.system import CALL, NOTHING, PAYEE, SECRET, Market, dear, told
from tests.support.polling import eventually


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


async def test_a_no_after_it_was_sent_is_told_and_is_for_good_when_nobody_can_settle_it_any_more(
    shop: Market,
) -> None:
    account = await shop.system.account("0")
    header = await shop.signed(account, "0.25", shop.buyer())
    shop.facilitator.script.extend([behaving.refuses, behaving.refuses])
    for _ in range(2):
        assert "transaction_failed" in str((await shop.take(account, header)).refused)
    assert await status(shop, header) == "sent"
    assert shop.facilitator.asked == ["verify", "settle"]
    await expired_since(shop, header, "6 minutes")
    await eventually(lambda: stands(shop, header, "refused"))
    assert "never settled" in str((await shop.take(account, header)).refused)
    assert await shop.available(account) == NOTHING


async def test_settled_and_denied_it_is_found_on_the_network_and_credited_once(
    shop: Market,
) -> None:
    account = await shop.system.account("0")
    header = await shop.signed(account, "0.25", shop.buyer())
    shop.facilitator.script.append(behaving.settles_and_denies)
    for _ in range(2):
        assert (await shop.take(account, header)).credited == Decimal("0.25")
    assert await shop.available(account) == Decimal("0.25")


async def test_denied_and_carried_out_later_it_is_credited_once(shop: Market) -> None:
    account = await shop.system.account("0")
    header = await shop.signed(account, "0.25", shop.buyer())
    sent: list[SettleRequest] = []

    async def denies(double: Facilitator, asked: SettleRequest) -> Response:
        sent.append(asked)
        return await behaving.refuses(double, asked)

    shop.facilitator.script.append(denies)
    assert "transaction_failed" in str((await shop.take(account, header)).refused)
    assert shop.facilitator.move(sent[0])["success"]
    await expired_since(shop, header, "6 minutes")
    await eventually(lambda: stands(shop, header, "settled"))
    assert (await shop.take(account, header)).credited == Decimal("0.25")
    assert await shop.available(account) == Decimal("0.25")


async def test_a_nonce_that_paid_somebody_else_buys_nothing(shop: Market) -> None:
    account = await shop.system.account("0")
    header = await shop.signed(account, "0.25", shop.buyer())

    async def overtaken(double: Facilitator, asked: SettleRequest) -> Response:
        transaction = double.move(asked)["transaction"]
        payer, _, units = double.transfers[transaction]
        double.transfers[transaction] = (payer, "0x" + "44" * 20, units)
        return await behaving.refuses(double, asked)

    shop.facilitator.script.append(overtaken)
    for _ in range(2):
        assert (await shop.take(account, header)).refused == "This payment was used before."
    assert (await shop.available(account), await status(shop, header)) == (NOTHING, "refused")


@pytest.mark.parametrize("node", ["away", "elsewhere"])
async def test_of_which_the_node_says_nothing_for_a_day_is_left_to_a_person(
    shop: Market, node: Literal["away", "elsewhere"]
) -> None:
    account = await shop.system.account("0")
    header = await shop.signed(account, "0.25", shop.buyer())
    shop.facilitator.node = node
    shop.facilitator.script.append(behaving.settles_and_denies)
    with pytest.raises(Busy):
        await shop.take(account, header)
    await expired_since(shop, header, "2 days")
    await eventually(lambda: stands(shop, header, "doubt"))
    assert "look at the network" in str((await shop.take(account, header)).refused)
    assert await shop.available(account) == NOTHING


async def test_without_a_node_a_no_after_it_was_sent_is_left_to_a_person(shop: Market) -> None:
    account = await shop.system.account("0")
    header = await shop.signed(account, "0.25", shop.buyer())
    shop.facilitator.node = "away"  # Of the other replica, which takes payments up as well.
    shop.facilitator.script.append(behaving.settles_and_denies)
    settings = Settings(
        database_url=shop.system.stack.database_url("payment"),
        machine_payee=PAYEE,
        machine_facilitator=shop.facilitator_url,
    )
    machine = machine_of(settings, shop.system.payment.database)
    taking = machine.taking
    assert taking is not None
    here, asked = origin("test", "test", account), TakeMachinePayment(signature=header)
    for _ in range(2):
        taken = await taking.take(asked, here, datetime.now(UTC))
        assert "transaction_failed" in str(taken.refused)
    await expired_since(shop, header, "6 minutes")

    async def in_doubt() -> bool:
        await taking.receiving.sweep()
        return await stands(shop, header, "doubt")

    await eventually(in_doubt)
    await machine.close()
    assert await shop.available(account) == NOTHING


async def status(shop: Market, header: str) -> str:
    """How far the payment in a header came."""
    (row,) = await shop.system.rows(
        "SELECT status FROM payment.machine_receipts WHERE nonce = $1", nonce_of(header)
    )
    return str(row["status"])


async def stands(shop: Market, header: str, wanted: str) -> bool:
    return await status(shop, header) == wanted


async def expired_since(shop: Market, header: str, long: str) -> None:
    """Have a payment that cannot be settled any more, since so long, looked at."""
    await shop.system.rows(
        "UPDATE payment.machine_receipts SET valid_before = now() - $2::text::interval,"
        " next_attempt_at = now() WHERE nonce = $1",
        nonce_of(header),
        long,
    )


def nonce_of(header: str) -> str:
    return str(told(header)["payload"]["authorization"]["nonce"]).lower()


@pytest.mark.parametrize(
    "lie",
    [
        behaving.lies(amount="1"),
        behaving.lies(network="eip155:8453"),
        behaving.lies(transaction=""),
        behaving.lies(payer="0x" + "66" * 20),
        behaving.repeats,
        behaving.breaks,
    ],
)
async def test_a_facilitator_that_lies_or_breaks_is_asked_again_and_believed_once(
    shop: Market, lie: behaving.Behaviour
) -> None:
    account, buyer = await shop.system.account("0"), shop.buyer()
    assert (await shop.take(account, await shop.signed(account, "1", buyer))).credited == 1
    header = await shop.signed(account, "0.25", buyer)
    shop.facilitator.script.append(lie)
    with pytest.raises(Busy):
        await shop.take(account, header)
    # It settled nothing then; the sweep has it settled.
    await eventually(lambda: stands(shop, header, "settled"))
    assert (await shop.take(account, header)).credited == Decimal("0.25")
    assert await shop.available(account) == Decimal("1.25")


async def test_settled_without_an_answer_is_found_on_the_network_and_credited_once(
    shop: Market,
) -> None:
    account = await shop.system.account("0")
    header = await shop.signed(account, "0.25", shop.buyer())
    shop.facilitator.node = "away"
    shop.facilitator.script.append(behaving.settles_and_breaks)
    with pytest.raises(Busy):
        await shop.take(account, header)
    shop.facilitator.node = "well"
    await eventually(lambda: stands(shop, header, "settled"))
    assert await shop.available(account) == Decimal("0.25")


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
    await eventually(lambda: stands(shop, header, "settled"))
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
