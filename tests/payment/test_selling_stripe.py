"""Payouts by transfers at Stripe: a strict double, trouble on the way, and the API around it."""

from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from pydantic import ValidationError

from chassis.bus.envelopes import new_id, origin
from contracts.bodies import Destination
from contracts.envelope import DEFAULT_ACCOUNT
from payment_svc.app import build
from payment_svc.cards.rail import client_of, close
from payment_svc.payouts import paying, rail, requests, settling, store
from tests.payment.cards_system import CardSystem, card_settings
from tests.payment.helpers import completed
from tests.payment.selling_desk import listed
from tests.support.polling import eventually
from tests.support.streams import Stored, stored

pytest_plugins = ["tests.payment.cards_fixtures"]
HOME = "acct_1OfASeller"


class Market:
    """A seller who is the default account of the gateway, at the real rail."""

    def __init__(self, cards: CardSystem, service: Any, settings: Any) -> None:
        self.cards = cards
        self.http = cards.http
        self.double = cards.double
        self.db = service.database
        self.settings = settings

    async def earn(self, cost: str) -> str:
        agent, task = new_id(), new_id()
        told = listed(agent, DEFAULT_ACCOUNT)
        await self.cards.buyer.tell(told)
        await self.cards.buyer.handled(told)
        step = await self.cards.buyer.hold(cost, task=task, agent=agent)
        await self.cards.buyer.told(completed(task, step, cost, agent_id=agent))
        await settling.settle_due(self.db, self.settings)
        return agent

    async def payout(self, **body: Any) -> Any:
        answer = await self.http.post("/api/seller/payouts", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def until(self, id_: str, status: str, note: str = "") -> Any:
        async def so() -> Any:
            shown = (await self.http.get("/api/seller/payouts")).json()
            one = next(one for one in shown if one["id"] == id_)
            return one if one["status"] == status and note in (one["note"] or "") else None

        return await eventually(so)

    def paid(self, id_: str) -> list[int]:
        """The cents that were transferred for a payout, once for each time."""
        every = self.double.transfers.values()
        return [one["amount"] for one in every if one["metadata"]["payout_id"] == id_]


@pytest.fixture
async def market(cards: CardSystem) -> AsyncIterator[Market]:
    """It settles by itself what the service, which waits for a week, does not."""
    settings = card_settings(
        cards.stack,
        f"{cards.payment.settings.model_dump()['stripe_api_base']}",
        payout_delay_s=0.001,
        refund_grace_s=0,
    )
    service = build(settings)
    service.database.departures = None
    cards.double.connected = {HOME}
    answer = await cards.http.put("/api/seller/destination", json={"destination": HOME})
    assert answer.json()["destination"] == HOME
    # Then it is not looked at again for a day: a test may have Stripe say something else.
    await eventually(
        partial(
            cards.buyer.sql.fetchval,
            "SELECT payable FROM payment.sellers WHERE account = $1",
            DEFAULT_ACCOUNT,
        )
    )
    yield Market(cards, service, settings)
    check = (await cards.http.get("/api/ledger/check?full=true")).json()
    assert [one for one in check["findings"] if one["broken"]] == []
    await service.database.engine.dispose()


async def test_a_payout_is_one_transfer(market: Market) -> None:
    agent = await market.earn("12.345678")
    before = (await market.http.get("/api/seller")).json()
    made = await market.payout()
    assert made["status"] == "pending"
    shown = await market.until(made["id"], "paid")
    cents = int(Decimal(str(made["amount"])) * 100)
    assert market.paid(made["id"]) == [cents]
    (transfer,) = [
        one for one in market.double.transfers.values() if one["id"] == shown["transfer"]
    ]
    assert transfer["destination"] == HOME
    assert transfer["transfer_group"] == f"payout-{made['id']}"
    after = (await market.http.get("/api/seller")).json()
    assert after["paid"] - before["paid"] == pytest.approx(made["amount"])
    lines = (await market.http.get(f"/api/seller/earnings?agent={agent}")).json()
    assert [(one["jobs"], one["earned"]) for one in lines] == [(1, 12.345678)]

    async def told() -> list[Stored]:
        subject = f"bazaar.evt.payout.*.{made['id']}"
        events = await stored(market.cards.buyer.js, "EVENTS", subject)
        return events if len(events) >= 2 else []

    events = await eventually(told)
    assert [one.headers["ce-type"] for one in events] == ["payout.requested.v1", "payout.paid.v1"]
    assert not market.double.problems


async def test_stripe_pays_and_its_answer_is_lost(market: Market) -> None:
    """It did the work before it broke: the next try finds the transfer and makes no other."""
    await market.earn("5")
    market.double.works_before_it_breaks = True
    market.double.script = [(500, {"error": {"type": "api_error", "message": "down"}})]
    made = await market.payout()
    await market.until(made["id"], "paid")
    assert len(market.paid(made["id"])) == 1


async def test_stripe_repeats_an_error(market: Market) -> None:
    """An error that is remembered under the key says nothing new: another key is taken."""
    await market.earn("5")
    market.double.remembers_script = True
    market.double.script = [(500, {"error": {"type": "api_error", "message": "down"}})]
    made = await market.payout()
    await market.until(made["id"], "paid")
    assert len(market.paid(made["id"])) == 1
    assert market.double.calls[f"payout-{made['id']}-retry-1"] == 1


async def test_a_replica_dies_between_the_transfer_and_the_commit(market: Market) -> None:
    """What it had in hand is taken over; the transfer is found."""
    await market.earn("5")
    client = client_of(market.settings)
    assert client is not None
    async with market.db.transaction(origin("payment", "test", DEFAULT_ACCOUNT)) as tx:
        made = await requests.take(tx, DEFAULT_ACCOUNT, market.settings)
        (in_hand,) = await store.claim_payouts(tx.conn, 0.5)
    assert in_hand.id == made.id
    assert (await rail.pay(client, market.settings, in_hand)).end == "paid"  # Here it dies.
    shown = await market.until(made.id, "paid")
    (transfer,) = [one for one in market.double.transfers if one == shown["transfer"]]
    assert len(market.paid(made.id)) == 1
    assert transfer in market.double.transfers
    await close(client)


async def test_two_replicas_try_at_once(market: Market) -> None:
    await market.earn("5")
    client = client_of(market.settings)
    made = await market.payout()
    for _ in range(3):
        await paying.work(market.db, client, market.settings)
    await market.until(made["id"], "paid")
    assert len(market.paid(made["id"])) == 1
    assert client is not None
    await close(client)


async def test_a_payout_that_stripe_refuses_is_available_again(market: Market) -> None:
    await market.earn("5")
    before = (await market.http.get("/api/seller")).json()["available"]
    market.double.connected = set()
    made = await market.payout()
    shown = await market.until(made["id"], "failed", "No such destination")
    assert shown["transfer"] is None
    assert (await market.http.get("/api/seller")).json()["available"] == before
    market.double.connected = {HOME}
    again = await market.payout()
    await market.until(again["id"], "paid")
    market.double.problems.clear()


async def test_what_the_api_refuses(market: Market) -> None:
    async def said(**body: Any) -> tuple[int, str]:
        answer = await market.http.post("/api/seller/payouts", json=body)
        return answer.status_code, answer.json()["error"]

    assert (await said(amount=999_999))[0] == 409
    assert (await said(amount="1.234"))[0] == 422
    assert (await said(amount=-1))[0] == 422
    bad = await market.http.put("/api/seller/destination", json={"destination": "mine"})
    assert bad.status_code == 422
    assert (await market.http.get("/api/seller/earnings?since=yesterday")).status_code == 422
    assert (await market.http.get("/api/seller/earnings?cursor=odd")).status_code == 422


async def test_the_same_key_is_the_same_payout(market: Market) -> None:
    await market.earn("9")
    headers = {"Idempotency-Key": new_id()}
    asked = [
        (await market.http.post("/api/seller/payouts", json={"amount": 2}, headers=headers)).json()
        for _ in range(3)
    ]
    assert len({one["id"] for one in asked}) == 1
    await market.until(asked[0]["id"], "paid")
    assert market.paid(asked[0]["id"]) == [200]


async def test_disputes_and_webhooks_over_http(market: Market) -> None:
    """What was paid just now is refunded, not disputed; without a key no webhook is made."""
    agent = await market.earn("5")
    (payment,) = [
        one
        for one in (await market.http.get("/api/payments/bazaarbucks?limit=500")).json()
        if one["agentId"] == agent
    ]
    path = f"/api/payments/bazaarbucks/{payment['id']}/dispute"
    early = await market.http.post(path, json={"note": "It is wrong."})
    assert (early.status_code, "refund the payment" in early.text) == (409, True)
    assert (await market.http.post(path, json={"note": ""})).status_code == 422
    assert (await market.http.get("/api/disputes")).json() == []
    unknown = "/api/disputes/nobody/decision"
    assert (await market.http.post(unknown, json={"accept": True})).status_code == 404
    made = await market.http.post("/api/webhooks", json={"url": "https://shop.example/hook"})
    assert (made.status_code, "WEBHOOK_KEY" in made.text) == (503, True)
    odd = {"url": "https://shop.example/hook", "events": ["nothing"]}
    assert (await market.http.post("/api/webhooks", json=odd)).status_code == 422
    assert (await market.http.get("/api/webhooks")).json() == []
    for method, rest in (("DELETE", ""), ("GET", "/deliveries")):
        answer = await market.http.request(method, f"/api/webhooks/nobody{rest}")
        assert answer.status_code == 404
    assert (await market.http.post("/api/webhooks/nobody/replay", json={})).status_code == 404


@pytest.mark.parametrize("said", ["ann", "acct_", "cus_1OfASeller", "acct_1OfA Seller", "", 7])
def test_what_is_no_connected_account_is_refused_in_words(said: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        Destination(destination=said)
    says = "valid string" if said == 7 else "a connected account at Stripe is acct_"
    assert says in refused.value.errors()[0]["msg"]
