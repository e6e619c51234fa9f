"""What was bought goes back to the card, once, whatever Stripe does meanwhile."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from chassis.bus.envelopes import new_id
from tests.payment.books_helpers import check, payment_for
from tests.payment.cards_system import CardSystem
from tests.payment.cards_things import refused
from tests.support.polling import eventually

pytest_plugins = ("tests.payment.cards_fixtures",)

BUSY = refused(429, "invalid_request_error", "Too many requests", code="rate_limit")
BROKEN = refused(500, "api_error", "Something went wrong on Stripe's end.")


async def charged(cards: CardSystem, amount: str) -> tuple[str, Any]:
    """A purchase that was charged."""
    id_ = await cards.bought(amount)
    return id_, await cards.until(id_, "completed")


async def spent(cards: CardSystem, id_: str) -> tuple[Decimal, Decimal]:
    """What the wallet has, and what the task of a purchase has cost."""
    budget = await cards.buyer.budget((await cards.row(id_))["task_id"])
    assert budget is not None
    return (await cards.buyer.wallet()).posted, budget[1]


async def test_a_voided_step_gives_its_purchase_back_to_wallet_and_card(cards: CardSystem) -> None:
    before = (await cards.buyer.wallet()).posted
    id_, row = await charged(cards, "2.5")
    assert await spent(cards, id_) == (before - Decimal("2.6"), Decimal("2.6"))
    refund = await cards.void(id_)
    await cards.void(id_)  # Told again, it changes nothing.
    assert await spent(cards, id_) == (before, Decimal(0))
    back = await cards.until(refund, "completed")
    assert cards.double.given_back(refund) == [250]
    (made,) = [x for x in cards.double.refunds.values() if x["id"] == back["intent_id"]]
    assert made["payment_intent"] == row["intent_id"]
    assert made["metadata"] == {
        "payment_id": refund,
        "task_id": row["task_id"],
        "step_id": row["step_id"],
        "key": f"refund-{row['step_id']}",
    }
    assert cards.double.calls[f"refund-{row['step_id']}"] == 1
    assert cards.double.problems == []
    shown = await cards.shown(refund)
    assert {name: shown[name] for name in ("vendor", "amount", "type", "status", "refundOf")} == {
        "vendor": "Refund: Shop",
        "amount": 2.5,
        "type": "balance_load",
        "status": "completed",
        "refundOf": id_,
    }
    assert (await cards.shown(id_))["status"] == "completed"  # It was charged, and stays so.
    assert await cards.told(refund, row["task_id"]) == ["pending", "completed"]
    assert await check(cards.buyer.bus) == []


async def test_the_receipt_and_the_event_tell_of_it(cards: CardSystem) -> None:
    id_, row = await charged(cards, "2.5")
    await cards.void(id_)
    told = await cards.buyer.event(row["task_id"], "payment.refunded")
    assert (told.body["amount"], told.body["externalAmount"]) == ("0.100000", "2.500000")
    statement = (await cards.http.get("/api/ledger?limit=1")).json()
    assert (statement[0]["kind"], statement[0]["amount"]) == ("refund", 2.6)


async def test_a_refund_of_the_whole_step_by_hand_gives_its_purchase_back(
    cards: CardSystem,
) -> None:
    id_, row = await charged(cards, "1")
    payment = await payment_for(cards.buyer.sql, row["step_id"])
    path, body = f"/api/payments/bazaarbucks/{payment}/refund", {"refundId": new_id()}
    answers = [await cards.http.post(path, json=body) for _ in range(2)]
    assert [a.status_code for a in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    refund = await cards.refund_of(id_)
    await cards.until(refund, "completed")
    assert cards.double.given_back(refund) == [100]
    assert (await cards.http.post(path, json={})).status_code == 409


async def test_a_part_of_the_pay_leaves_the_purchase(cards: CardSystem) -> None:
    id_, row = await charged(cards, "1")
    payment = await payment_for(cards.buyer.sql, row["step_id"])
    path = f"/api/payments/bazaarbucks/{payment}/refund"
    assert (await cards.http.post(path, json={"amount": 0.1})).status_code == 200
    assert await cards.refund_of(id_) is None
    assert (await spent(cards, id_))[1] == 1


async def test_a_purchase_alone_is_given_back_by_hand_once(cards: CardSystem) -> None:
    id_, _ = await charged(cards, "1.25")
    path, refund = f"/api/payments/stripe/{id_}/refund", new_id()
    same = {"refundId": refund}
    answers = await asyncio.gather(*(cards.http.post(path, json=same) for _ in range(4)))
    assert {a.status_code for a in answers} == {200}
    assert {a.json()["id"] for a in answers} == {refund}
    assert (await cards.http.post(path, json={})).status_code == 409
    assert (await spent(cards, id_))[1] == Decimal("0.1")
    await cards.until(refund, "completed")
    assert cards.double.given_back(refund) == [125]
    await cards.void(id_)  # Only the pay is left to give back.
    assert (await spent(cards, id_))[1] == 0
    assert cards.double.given_back(refund) == [125]


async def test_what_cannot_be_given_back_is_refused(cards: CardSystem) -> None:
    id_, row = await charged(cards, "1")
    refund = await cards.void(id_)
    payment = await payment_for(cards.buyer.sql, row["step_id"])
    for unknown in (new_id(), payment):
        answer = await cards.http.post(f"/api/payments/stripe/{unknown}/refund", json={})
        assert answer.status_code == 404
    of_refund = await cards.http.post(f"/api/payments/stripe/{refund}/refund", json={})
    assert of_refund.status_code == 422
    other, _ = await charged(cards, "1")
    taken = await cards.http.post(f"/api/payments/stripe/{other}/refund", json={"refundId": id_})
    assert taken.status_code == 409
    assert await cards.refund_of(other) is None


@pytest.mark.parametrize("trouble", [BUSY, BROKEN], ids=["busy", "broken"])
async def test_passing_trouble_is_outlasted(cards: CardSystem, trouble: Any) -> None:
    id_, row = await charged(cards, "1.5")
    cards.double.script += [trouble] * 3
    refund = await cards.void(id_)
    assert (await cards.until(refund, "completed"))["attempts"] == 4
    assert cards.double.calls[f"refund-{row['step_id']}"] == 4
    assert cards.double.given_back(refund) == [150]


async def test_what_was_never_asked_of_stripe_is_not_charged(cards: CardSystem) -> None:
    id_, row = await charged(cards, "3")
    # As it is between the capture and the first look.
    await cards.buyer.sql.execute(
        "UPDATE stripe_payments SET status = 'pending', attempts = 0, intent_id = NULL"
        " WHERE id = $1",
        id_,
    )
    refund = await cards.void(id_)
    stopped = await cards.row(id_)
    assert (stopped["status"], stopped["next_attempt_at"]) == ("failed", None)
    assert "before the card was charged" in stopped["note"]
    closed = await cards.row(refund)
    assert closed["status"] == "completed"
    assert "not charged" in closed["note"]
    assert cards.double.calls[f"refund-{row['step_id']}"] == 0
    again = await cards.http.post(f"/api/payments/stripe/{id_}/retry")
    assert again.status_code == 409
    assert "given back" in again.json()["error"]


async def test_what_an_earlier_try_may_have_charged_is_given_back(cards: CardSystem) -> None:
    """Its outcome was not known, and somebody tries again; nobody has asked Stripe since."""
    id_, _ = await charged(cards, "1.5")
    await cards.buyer.sql.execute(
        "UPDATE stripe_payments SET status = 'pending', attempts = 0, retries = 1,"
        " intent_id = NULL, next_attempt_at = now() + interval '1 hour' WHERE id = $1",
        id_,
    )
    refund = await cards.void(id_)
    await cards.until(refund, "pending", "still pending")
    due = "UPDATE stripe_payments SET next_attempt_at = now() WHERE id = $1"
    await cards.buyer.sql.execute(due, id_)
    await cards.until(refund, "completed")
    assert cards.double.charged(id_) == cards.double.given_back(refund) == [150]


async def test_a_refund_waits_for_the_outcome_of_its_purchase(cards: CardSystem) -> None:
    cards.double.ends = "processing"
    id_ = await cards.bought("2")
    row = await cards.until(id_, "pending", "processing")
    refund = await cards.void(id_)
    await cards.until(refund, "pending", "still pending")
    intent = cards.double.intent_of(id_)
    intent |= {"status": "succeeded", "amount_received": 200}
    assert await cards.taken(cards.double.event("payment_intent.succeeded", intent)) == "completed"
    await cards.until(refund, "completed")
    assert cards.double.given_back(refund) == [200]
    assert cards.double.calls[f"refund-{row['step_id']}"] == 1


async def test_a_card_that_was_not_charged_gets_nothing_unless_it_was_after_all(
    cards: CardSystem,
) -> None:
    cards.double.declines = "generic_decline"
    id_ = await cards.bought("1")
    await cards.until(id_, "failed")
    refund = await cards.void(id_)
    await cards.until(refund, "completed", "not charged")
    intent = cards.double.intent_of(id_)
    intent |= {"status": "succeeded", "amount_received": 100}
    assert await cards.taken(cards.double.event("payment_intent.succeeded", intent)) == "completed"

    async def given_back() -> bool:
        return cards.double.given_back(refund) == [100]

    await eventually(given_back)
    await cards.until(refund, "completed")


async def test_a_refund_that_fails_is_tried_again_by_hand(cards: CardSystem) -> None:
    cards.double.refund_ends = "failed"
    id_, row = await charged(cards, "1")
    refund = await cards.void(id_)
    await cards.until(refund, "failed", "lost_or_stolen_card")
    cards.double.refund_ends = "succeeded"
    assert (await cards.http.post(f"/api/payments/stripe/{refund}/retry")).status_code == 200
    await cards.until(refund, "completed")
    assert cards.double.given_back(refund) == [100]
    assert cards.double.calls[f"refund-{row['step_id']}-retry-1"] == 1


async def test_a_refund_that_was_made_before_is_no_second_one(cards: CardSystem) -> None:
    id_, row = await charged(cards, "1")
    text = "Charge has already been refunded."
    cards.double.script.append(
        refused(400, "invalid_request_error", text, code="charge_already_refunded")
    )
    refund = await cards.void(id_)
    await cards.until(refund, "completed", "refunded before")
    assert cards.double.calls[f"refund-{row['step_id']}"] == 1


async def pending_refund(cards: CardSystem) -> tuple[str, dict[str, Any]]:
    cards.double.refund_ends = "pending"
    id_, _ = await charged(cards, "1")
    refund = await cards.void(id_)
    row = await cards.until(refund, "pending", "webhook decides")
    return refund, cards.double.refunds[row["intent_id"]]


async def test_the_webhook_of_a_refund_completes_it_once(cards: CardSystem) -> None:
    refund, thing = await pending_refund(cards)
    event = cards.double.event("refund.updated", thing | {"status": "succeeded"})
    assert await cards.taken(event) == "refunded"
    for type_ in ("refund.updated", "charge.refund.updated"):
        later = cards.double.event(type_, thing | {"status": "succeeded"})
        assert await cards.taken(later) == "is completed already"
    assert (await cards.row(refund))["status"] == "completed"


@pytest.mark.parametrize("first", ["succeeded", "failed"])
async def test_a_failed_refund_is_failed_in_any_order(cards: CardSystem, first: str) -> None:
    refund, thing = await pending_refund(cards)
    events = [
        cards.double.event("refund.updated", thing | {"status": "succeeded"}),
        cards.double.event(
            "refund.failed", thing | {"status": "failed", "failure_reason": "unknown"}
        ),
    ]
    for event in events if first == "succeeded" else reversed(events):
        await cards.taken(event)
    row = await cards.row(refund)
    assert (row["status"], row["note"]) == (
        "failed",
        "The refund did not reach the card (unknown).",
    )


async def test_the_failure_of_an_earlier_try_is_not_that_of_the_next(cards: CardSystem) -> None:
    refund, thing = await pending_refund(cards)
    old = cards.double.event("refund.failed", thing | {"status": "failed"})
    thing["status"] = "failed"
    assert await cards.taken(old) == "failed"
    cards.double.refund_ends = "pending"
    assert (await cards.http.post(f"/api/payments/stripe/{refund}/retry")).status_code == 200
    await cards.until(refund, "pending", "webhook decides")
    again = cards.double.event("refund.failed", thing | {"status": "failed"})
    assert await cards.taken(again) == "about an earlier try"
    assert (await cards.row(refund))["status"] == "pending"


async def test_another_amount_completes_nothing(cards: CardSystem) -> None:
    refund, thing = await pending_refund(cards)
    event = cards.double.event("refund.updated", thing | {"status": "succeeded", "amount": 99})
    assert "another amount" in await cards.taken(event)
    assert (await cards.row(refund))["status"] == "pending"


async def test_a_refund_made_at_stripe_is_noticed_and_changes_no_books(cards: CardSystem) -> None:
    id_, row = await charged(cards, "1")
    charge = {
        "id": "ch_1",
        "object": "charge",
        "amount": 100,
        "amount_refunded": 100,
        "metadata": {"payment_id": id_, "key": f"step-{row['step_id']}"},
    }
    first = cards.double.event("charge.refunded", charge)
    assert "not here" in await cards.taken(first)
    before = await spent(cards, id_)
    refund = (await cards.http.post(f"/api/payments/stripe/{id_}/refund", json={})).json()["id"]
    await cards.until(refund, "completed")
    assert await cards.taken(cards.double.event("charge.refunded", charge)) == "nothing to do"
    assert (await spent(cards, id_))[0] == before[0] + 1


async def in_the_dashboard(cards: CardSystem, id_: str, cents: int) -> None:
    """Somebody gives a part of a purchase back at Stripe."""
    for event in cards.double.give_back((await cards.row(id_))["intent_id"], cents):
        await cards.taken(event)


async def test_after_a_part_at_stripe_the_card_gets_the_rest_and_never_more(
    cards: CardSystem,
) -> None:
    id_, row = await charged(cards, "3")
    before = await spent(cards, id_)
    await in_the_dashboard(cards, id_, 120)
    assert await spent(cards, id_) == before  # The books follow what is refunded here.
    refund = await cards.void(id_)
    await cards.until(refund, "completed")
    assert cards.double.given_back(refund) == [180]
    assert cards.double.charge_of(row["intent_id"])["refunded"]
    assert (await spent(cards, id_))[0] == before[0] + Decimal("3.1")
    assert cards.double.problems == []
    assert await check(cards.buyer.bus) == []


async def test_the_webhook_of_the_rest_completes_the_refund(cards: CardSystem) -> None:
    cards.double.refund_ends = "pending"
    id_, _ = await charged(cards, "3")
    await in_the_dashboard(cards, id_, 120)
    refund = await cards.void(id_)
    row = await cards.until(refund, "pending", "webhook decides")
    thing = cards.double.refunds[row["intent_id"]] | {"status": "succeeded"}
    assert await cards.taken(cards.double.event("refund.updated", thing)) == "refunded"


async def test_a_purchase_that_went_back_at_stripe_is_not_given_back_again(
    cards: CardSystem,
) -> None:
    id_, row = await charged(cards, "3")
    await in_the_dashboard(cards, id_, 120)
    await in_the_dashboard(cards, id_, 180)
    refund = await cards.void(id_)
    await cards.until(refund, "completed", "refunded before")
    assert cards.double.calls[f"refund-{row['step_id']}"] == 0


async def test_the_success_of_an_earlier_try_is_not_that_of_the_next(cards: CardSystem) -> None:
    refund, thing = await pending_refund(cards)
    old = [cards.double.event("refund.updated", thing | {"status": "succeeded"}) for _ in range(2)]
    assert await cards.taken(old[0]) == "refunded"
    assert await cards.taken(cards.double.refund_fails(thing["id"])) == "failed"
    assert (await cards.http.post(f"/api/payments/stripe/{refund}/retry")).status_code == 200
    await cards.until(refund, "pending", "webhook decides")
    assert await cards.taken(old[1]) == "about an earlier try"
    assert (await cards.row(refund))["status"] == "pending"


async def test_a_refund_whose_answer_was_lost_is_found_at_stripe(cards: CardSystem) -> None:
    id_, row = await charged(cards, "2")
    cards.double.script.append(BROKEN)
    cards.double.remembers_script = cards.double.works_before_it_breaks = True
    refund = await cards.void(id_)
    await cards.until(refund, "completed")
    assert cards.double.given_back(refund) == [200]
    assert cards.double.calls[f"refund-{row['step_id']}"] == 1


async def test_an_error_that_stripe_remembers_does_not_keep_a_refund_from_the_card(
    cards: CardSystem,
) -> None:
    id_, row = await charged(cards, "2")
    cards.double.script.append(BROKEN)
    cards.double.remembers_script = True
    refund = await cards.void(id_)
    await cards.until(refund, "completed")
    assert cards.double.given_back(refund) == [200]
    keys = [f"refund-{row['step_id']}", f"refund-{row['step_id']}-retry-1"]
    assert [cards.double.calls[key] for key in keys] == [2, 1]
