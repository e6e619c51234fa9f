"""Topping up: a page at Stripe, and one credit when it says that it was paid."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from chassis.bus.envelopes import new_id, origin
from contracts.cards import OPEN_CHECKOUT, OpenCheckout
from contracts.errors import Conflict
from payment_svc.cards.top_ups import open_checkout
from tests.payment.cards_system import CardSystem, card_settings
from tests.payment.cards_things import refused
from tests.payment.helpers import new_customer
from tests.support.bound import bound
from tests.support.polling import eventually
from tests.support.streams import stored

pytest_plugins = ("tests.payment.cards_fixtures",)


async def checkout(cards: CardSystem, amount: Any) -> tuple[str, str]:
    """Open a checkout; the payment's id and the session's."""
    answer = await cards.http.post("/api/payments/checkout", json={"amount": amount})
    assert answer.status_code == 200, answer.text
    opened = answer.json()
    session = next(x for x in cards.double.sessions.values() if x["url"] == opened["url"])
    assert session["metadata"] == {"payment_id": opened["id"]}
    assert session["amount_total"] == Decimal(str(amount)) * 100
    return opened["id"], session["id"]


async def credited(cards: CardSystem) -> list[str]:
    found = await stored(cards.buyer.js, "EVENTS", "bazaar.evt.wallet.credited.demo")
    return [one.body["amount"] for one in found if one.body["reason"] == "top_up"]


async def test_a_paid_checkout_credits_the_wallet_once(cards: CardSystem) -> None:
    wallet, told = await cards.buyer.wallet(), len(await credited(cards))
    id_, session = await checkout(cards, 12.34)
    shown = await cards.shown(id_)
    assert (shown["status"], shown["type"], shown["amount"]) == ("pending", "balance_load", 12.34)
    assert (await cards.buyer.wallet()).posted == wallet.posted

    paid = cards.double.pay(session)
    answers = await asyncio.gather(*(cards.post(paid) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert await cards.handled(paid) == "credited"
    again = cards.double.event("checkout.session.completed", cards.double.sessions[session])
    assert await cards.taken(again) == "was credited before"

    assert (await cards.buyer.wallet()).posted == wallet.posted + Decimal("12.34")
    row = await cards.row(id_)
    assert (row["status"], row["session_id"], row["intent_id"]) == (
        *("completed", session, f"pi_of_{session}"),
    )

    async def told_since() -> list[str]:
        return (await credited(cards))[told:]

    assert await eventually(told_since) == ["12.340000"]
    assert await cards.told(id_, id_) == ["pending", "completed"]
    lines = (await cards.http.get("/api/ledger?limit=1")).json()
    assert (lines[0]["kind"], lines[0]["amount"]) == ("top_up", 12.34)
    check = (await cards.http.get("/api/ledger/check")).json()
    assert check["ok"], check


async def test_events_at_once_for_one_checkout_credit_it_once(cards: CardSystem) -> None:
    wallet = await cards.buyer.wallet()
    id_, session = await checkout(cards, "5")
    cards.double.pay(session)
    types = ("checkout.session.completed", "checkout.session.async_payment_succeeded")
    events = [cards.double.event(t, cards.double.sessions[session]) for t in types * 4]
    await asyncio.gather(*(cards.post(event) for event in events))
    outcomes = [await cards.handled(event) for event in events]
    assert sorted(outcomes) == ["credited"] + ["was credited before"] * 7
    assert (await cards.buyer.wallet()).posted == wallet.posted + 5
    assert (await cards.row(id_))["status"] == "completed"


async def test_a_completed_but_unpaid_checkout_waits_for_the_money(cards: CardSystem) -> None:
    wallet = await cards.buyer.wallet()
    id_, session = await checkout(cards, "7")
    unpaid = cards.double.sessions[session] | {"status": "complete"}
    event = cards.double.event("checkout.session.completed", unpaid)
    assert await cards.taken(event) == "nothing to do"
    assert (await cards.row(id_))["status"] == "pending"
    cards.double.pay(session)
    arrived = cards.double.event(
        "checkout.session.async_payment_succeeded", cards.double.sessions[session]
    )
    assert await cards.taken(arrived) == "credited"
    assert (await cards.buyer.wallet()).posted == wallet.posted + 7


@pytest.mark.parametrize(
    "type_", ["checkout.session.expired", "checkout.session.async_payment_failed"]
)
async def test_a_checkout_that_comes_to_nothing_is_failed(cards: CardSystem, type_: str) -> None:
    wallet = await cards.buyer.wallet()
    id_, session = await checkout(cards, "7")
    ended = cards.double.event(type_, cards.double.sessions[session])
    assert await cards.taken(ended) == "failed"
    assert (await cards.shown(id_))["status"] == "failed"
    assert (await cards.buyer.wallet()).posted == wallet.posted
    retried = await cards.http.post(f"/api/payments/stripe/{id_}/retry")
    assert retried.status_code == 409
    assert "new checkout" in retried.json()["error"]


async def test_an_end_that_comes_after_the_payment_takes_nothing_back(cards: CardSystem) -> None:
    wallet = await cards.buyer.wallet()
    id_, session = await checkout(cards, "7")
    early = cards.double.event("checkout.session.expired", cards.double.sessions[session])
    assert await cards.taken(cards.double.pay(session)) == "credited"
    assert await cards.taken(early) == "is completed already"
    assert (await cards.row(id_))["status"] == "completed"
    assert (await cards.buyer.wallet()).posted == wallet.posted + 7


async def test_another_amount_than_asked_is_not_credited(cards: CardSystem) -> None:
    wallet = await cards.buyer.wallet()
    _, session = await checkout(cards, "7")
    cards.double.sessions[session]["amount_total"] = 70
    assert "another amount" in await cards.taken(cards.double.pay(session))
    assert (await cards.buyer.wallet()).posted == wallet.posted


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], {"amount": None}, {"amount": 0}, {"amount": -1}, {"amount": "NaN"}),
        *({"amount": 1.001}, {"amount": 1_000_000}, {"amount": 1e300}, {"amount": "Infinity"}),
        *({"amount": "a lot"}, {"amount": True}, {"amount": [1]}),
    ],
    ids=str,
)
async def test_an_amount_that_makes_no_sense_is_422(cards: CardSystem, body: Any) -> None:
    made = len(cards.double.sessions)
    answer = await cards.http.post("/api/payments/checkout", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]
    assert len(cards.double.sessions) == made


async def failed_load(cards: CardSystem) -> Any:
    """The newest top-up."""
    return await cards.buyer.sql.fetchrow(
        "SELECT * FROM stripe_payments WHERE type = 'balance_load' ORDER BY created_at DESC LIMIT 1"
    )


async def test_an_amount_that_stripe_refuses_is_422_in_its_words(cards: CardSystem) -> None:
    answer = await cards.http.post("/api/payments/checkout", json={"amount": 0.1})
    assert answer.status_code == 422
    assert "at least $0.50" in answer.json()["error"]
    row = await failed_load(cards)
    assert (row["status"], row["amount"]) == ("failed", Decimal("0.1"))


async def test_without_stripe_there_is_no_checkout_now(cards: CardSystem) -> None:
    cards.double.script.append(refused(500, "api_error", "broken"))
    answer = await cards.http.post("/api/payments/checkout", json={"amount": 5})
    assert answer.status_code == 503
    assert (await failed_load(cards))["status"] == "failed"
    await checkout(cards, 5)


async def test_a_top_up_that_was_left_without_a_page_is_given_up(cards: CardSystem) -> None:
    await cards.buyer.sql.execute(
        "INSERT INTO stripe_payments (id, account, agent_id, vendor, amount, status, type, rail,"
        " next_attempt_at) VALUES ('left', 'demo', '', 'Stripe Checkout', 5, 'pending',"
        " 'balance_load', 'stripe', now())"
    )
    await cards.until("left", "failed", "No page")


async def ask(cards: CardSystem, **body: Any) -> Any:
    return await cards.http.post("/api/payments/checkout", json=body)


async def test_the_same_id_again_is_the_same_page(cards: CardSystem) -> None:
    id_, made = new_id(), len(cards.double.sessions)
    answers = [await ask(cards, amount=5, paymentId=id_) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert answers[0].json() == answers[1].json() == answers[2].json()
    assert answers[0].json()["id"] == id_
    assert len(cards.double.sessions) == made + 1
    assert cards.double.calls[f"checkout-{id_}"] == 1
    (session,) = [s for s in cards.double.sessions.values() if s["client_reference_id"] == id_]
    assert await cards.taken(cards.double.pay(session["id"])) == "credited"
    assert (await ask(cards, amount=5, paymentId=id_)).json() == answers[0].json()
    assert await cards.told(id_, id_) == ["pending", "completed"]


async def test_the_same_id_at_once_opens_one_page(cards: CardSystem) -> None:
    id_, made = new_id(), len(cards.double.sessions)
    answers = await asyncio.gather(*(ask(cards, amount=5, paymentId=id_) for _ in range(6)))
    assert {answer.status_code for answer in answers} <= {200, 503}  # Stripe may be at it still.
    assert len({answer.json()["url"] for answer in answers if answer.is_success}) == 1
    assert len(cards.double.sessions) == made + 1
    assert (await cards.row(id_))["status"] == "pending"


async def test_an_id_that_was_used_for_something_else_is_409(cards: CardSystem) -> None:
    id_ = new_id()
    assert (await ask(cards, amount=5, paymentId=id_)).status_code == 200
    purchase = await cards.bought("1")
    await cards.until(purchase, "completed")
    other = await new_customer(
        cards.payment.database, cards.buyer.bus, cards.buyer.js, cards.buyer.sql, "1"
    )
    for body in ({"amount": 6, "paymentId": id_}, {"amount": 1, "paymentId": purchase}):
        assert (await ask(cards, **body)).status_code == 409
    theirs = await other.ask(OPEN_CHECKOUT, OpenCheckout(amount=Decimal(5), payment_id=id_))
    assert theirs.url != (await ask(cards, amount=5, paymentId=id_)).json()["url"]


async def test_the_same_id_after_trouble_opens_the_page_after_all(cards: CardSystem) -> None:
    id_ = new_id()
    cards.double.script.append(refused(500, "api_error", "broken"))
    assert (await ask(cards, amount=5, paymentId=id_)).status_code == 503
    assert (await cards.row(id_))["status"] == "failed"
    opened = await ask(cards, amount=5, paymentId=id_)
    assert opened.status_code == 200
    assert (await cards.row(id_))["status"] == "pending"
    assert opened.json() == (await ask(cards, amount=5, paymentId=id_)).json()


async def test_the_same_id_after_a_crash_is_the_page_that_stripe_knows(cards: CardSystem) -> None:
    id_ = new_id()
    first = (await ask(cards, amount=5, paymentId=id_)).json()
    await cards.buyer.sql.execute(
        "UPDATE stripe_payments SET session_id = NULL, page_url = NULL WHERE id = $1", id_
    )
    assert (await ask(cards, amount=5, paymentId=id_)).json() == first
    assert cards.double.calls[f"checkout-{id_}"] == 2


async def look_now(cards: CardSystem, id_: str) -> None:
    """As if it were time to ask Stripe about a page that no webhook told of."""
    await cards.buyer.sql.execute("UPDATE stripe_payments SET look_at = now() WHERE id = $1", id_)


async def test_without_a_webhook_a_page_is_looked_at_and_credited_once(cards: CardSystem) -> None:
    wallet = await cards.buyer.wallet()
    id_, session = await checkout(cards, "6")
    before = (await cards.row(id_))["look_at"]
    await look_now(cards, id_)

    async def looked_at() -> bool:
        return bool((await cards.row(id_))["look_at"] > before)

    await eventually(looked_at)
    assert (await cards.row(id_))["status"] == "pending"
    paid = cards.double.pay(session)
    await look_now(cards, id_)
    await cards.until(id_, "completed")
    assert await cards.taken(paid) == "was credited before"
    assert (await cards.buyer.wallet()).posted == wallet.posted + 6


async def test_without_a_webhook_an_expired_page_is_failed(cards: CardSystem) -> None:
    id_, session = await checkout(cards, "6")
    cards.double.sessions[session]["status"] = "expired"
    await look_now(cards, id_)
    await cards.until(id_, "failed", "expired")


@pytest.mark.parametrize("told", [True, False])
async def test_an_expired_page_is_renewed_under_the_same_id(cards: CardSystem, told: bool) -> None:
    wallet, id_ = await cards.buyer.wallet(), new_id()
    old = (await ask(cards, amount=5, paymentId=id_)).json()
    (session,) = [s for s in cards.double.sessions.values() if s["client_reference_id"] == id_]
    session["status"] = "expired"
    expired = cards.double.event("checkout.session.expired", session)
    if told:
        assert await cards.taken(expired) == "failed"
    answers = [await ask(cards, amount=5, paymentId=id_) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    new = answers[0].json()
    assert (new["id"], new["url"] != old["url"]) == (id_, True)
    assert answers[1].json() == answers[2].json() == new
    late = cards.double.event("checkout.session.expired", session)
    assert await cards.taken(late) == "about an earlier page"
    (page,) = [s for s in cards.double.sessions.values() if s["url"] == new["url"]]
    assert await cards.taken(cards.double.pay(page["id"])) == "credited"
    assert (await cards.buyer.wallet()).posted == wallet.posted + 5


async def test_an_expired_page_is_renewed_once_by_many_at_once(cards: CardSystem) -> None:
    id_ = new_id()
    await ask(cards, amount=5, paymentId=id_)
    (session,) = [s for s in cards.double.sessions.values() if s["client_reference_id"] == id_]
    session["status"] = "expired"
    answers = await asyncio.gather(*(ask(cards, amount=5, paymentId=id_) for _ in range(5)))
    assert {answer.status_code for answer in answers} <= {200, 503}  # Stripe may be at it still.
    (url,) = {answer.json()["url"] for answer in answers if answer.is_success}
    assert (await ask(cards, amount=5, paymentId=id_)).json()["url"] == url
    assert cards.double.calls[f"checkout-{id_}-retry-1"] >= 1
    assert cards.double.calls[f"checkout-{id_}-retry-2"] == 0


async def test_an_error_that_stripe_remembers_does_not_block_a_top_up(cards: CardSystem) -> None:
    id_ = new_id()
    cards.double.script.append(refused(500, "api_error", "broken"))
    cards.double.remembers_script = True
    answers = [(await ask(cards, amount=5, paymentId=id_)).status_code for _ in range(3)]
    assert answers == [503, 503, 200]
    assert (await cards.row(id_))["status"] == "pending"


async def test_no_checkout_opens_that_nobody_would_hear_of(cards: CardSystem) -> None:
    settings = card_settings(cards.stack, "http://127.0.0.1:9", stripe_webhook_secret="")
    client = bound(cards.payment, "client")
    made = len(cards.double.sessions)
    with pytest.raises(Conflict, match="STRIPE_WEBHOOK_SECRET"):
        await open_checkout(
            OpenCheckout(amount=Decimal(5)),
            origin("test", "test", "demo"),
            cards.payment.database,
            client,
            settings,
        )
    assert len(cards.double.sessions) == made
