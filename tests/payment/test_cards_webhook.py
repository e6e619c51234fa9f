"""Stripe's webhook: who may tell, what is stored, and that order and repetition change nothing."""

import asyncio
import json
import time
from typing import Any

import pytest

from contracts.payment import StripePaymentUpdated
from tests.payment.cards_double import SECRET, body_of, signed
from tests.payment.cards_system import CardSystem
from tests.support.polling import eventually

pytest_plugins = ("tests.payment.cards_fixtures",)

MIB = 1024 * 1024


def nothing_of_ours(cards: CardSystem, **more: Any) -> dict[str, Any]:
    return cards.double.event("customer.created", {"id": "cus_1", "object": "customer", **more})


async def test_an_event_is_stored_once_and_answered_each_time(cards: CardSystem) -> None:
    event = nothing_of_ours(cards, name="Zoë ☕")
    answers = await asyncio.gather(*(cards.post(event) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert await cards.handled(event) == "not about a payment of ours"
    assert (await cards.post(event)).status_code == 200
    rows = await cards.buyer.sql.fetch(
        "SELECT body, attempts FROM stripe_events WHERE id = $1", event["id"]
    )
    assert [(row["body"].encode(), row["attempts"]) for row in rows] == [(body_of(event), 1)]


def forged(body: bytes) -> dict[str, str | None]:
    """Signatures that are not right for `body`, by what is wrong with them."""
    now = int(time.time())
    return {
        "none": None,
        "empty": "",
        "nonsense": "nonsense",
        "another secret": signed(body, secret="whsec_of_somebody_else"),
        "an empty secret": signed(body, secret=""),
        "too old": signed(body, at=now - 301),
        "another time": signed(body)
        .replace(f"t={now}", f"t={now - 1}")
        .replace(f"t={now + 1}", ""),
        "no number": "t=now,v1=" + "0" * 64,
        "only the old scheme": signed(body).replace("v1=", "v2="),
        "of a written-again body": signed(json.dumps(json.loads(body)).encode()),
        "of another body": signed(body + b" "),
    }


@pytest.mark.parametrize("what", forged(b"{}"))
async def test_a_forged_webhook_is_400_and_nothing_is_stored(cards: CardSystem, what: str) -> None:
    body = body_of(nothing_of_ours(cards))
    before = await cards.stored_events()
    answer = await cards.send(body, forged(body)[what])
    assert answer.status_code == 400, answer.text
    assert "signature" in answer.json()["error"]
    assert await cards.stored_events() == before
    assert (await cards.send(body, signed(body, at=time.time() - 200))).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"no json", b"\xff\xfe", b"[]", b"7", b"null", b"{}", b'{"id": "evt_1"}'),
        *(b'{"id": "evt_1", "type": "x", "object": "v2.core.event"}', b"[" * 100_000),
        b'{"object":"event","type":"x","id":"' + b"e" * 256 + b'"}',
        b'{"object":"event","type":"x","id":"evt\\u0000"}',
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_what_is_no_event_is_400_even_when_it_is_signed(
    cards: CardSystem, body: bytes
) -> None:
    before = await cards.stored_events()
    answer = await cards.send(body, signed(body))
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]
    assert await cards.stored_events() == before


async def test_a_body_may_have_a_mebibyte_and_no_more(cards: CardSystem) -> None:
    event = nothing_of_ours(cards, text="")
    room = MIB - len(body_of(event))
    event["data"]["object"]["text"] = "x" * (room + 1)
    assert (await cards.post(event)).status_code == 413
    event["data"]["object"]["text"] = "x" * room
    assert (await cards.post(event)).status_code == 200


async def intent_in_hand(cards: CardSystem, amount: str) -> tuple[str, dict[str, Any]]:
    """A payment that Stripe has charged while its answer is still on the way."""
    cards.double.holding = asyncio.Event()
    id_ = await cards.bought(amount)

    async def made() -> bool:
        return bool(cards.double.charged(id_))

    await eventually(made)
    return id_, cards.double.intent_of(id_)


async def test_the_webhook_may_come_before_the_answer(cards: CardSystem) -> None:
    id_, intent = await intent_in_hand(cards, "4")
    event = cards.double.event("payment_intent.succeeded", intent)
    assert await cards.taken(event) == "completed"
    row = await cards.row(id_)
    assert (row["status"], row["intent_id"]) == ("completed", intent["id"])
    assert cards.double.holding is not None
    cards.double.holding.set()
    later = cards.double.event("payment_intent.succeeded", intent)
    assert await cards.taken(later) == "was completed before"
    other = await cards.bought("1")
    await cards.until(other, "completed")
    assert await cards.told(id_, row["task_id"]) == ["pending", "completed"]
    assert cards.double.charged(id_) == [400]


async def test_a_failure_after_the_success_is_ignored(cards: CardSystem) -> None:
    id_ = await cards.bought("1")
    await cards.until(id_, "completed")
    for type_ in ("payment_intent.payment_failed", "payment_intent.canceled"):
        event = cards.double.event(type_, cards.double.intent_of(id_))
        assert await cards.taken(event) == "is completed already"
    row = await cards.row(id_)
    assert row["status"] == "completed"
    assert await cards.told(id_, row["task_id"]) == ["pending", "completed"]


async def test_a_failure_that_stripe_tells_later_is_the_payments(cards: CardSystem) -> None:
    cards.double.ends = "processing"
    id_ = await cards.bought("1")
    await cards.until(id_, "pending", "processing")
    intent = cards.double.intent_of(id_)
    intent |= {"status": "requires_payment_method", "last_payment_error": {"message": "Too late."}}
    failed = cards.double.event("payment_intent.payment_failed", intent)
    assert await cards.taken(failed) == "failed"
    assert (await cards.row(id_))["note"] == "Too late."


async def test_the_failure_of_an_earlier_try_is_not_that_of_the_next(cards: CardSystem) -> None:
    cards.double.declines = "generic_decline"
    id_ = await cards.bought("1")
    await cards.until(id_, "failed")
    old = cards.double.event("payment_intent.payment_failed", cards.double.intent_of(id_))
    cards.double.declines, cards.double.ends = None, "processing"
    assert (await cards.http.post(f"/api/payments/stripe/{id_}/retry")).status_code == 200
    await cards.until(id_, "pending", "processing")
    assert await cards.taken(old) == "about an earlier try"
    assert (await cards.row(id_))["status"] == "pending"


async def test_money_that_was_taken_after_all_completes_a_failed_payment(cards: CardSystem) -> None:
    cards.double.declines = "generic_decline"
    id_ = await cards.bought("1")
    await cards.until(id_, "failed")
    intent = cards.double.intent_of(id_) | {"status": "succeeded", "amount_received": 100}
    assert await cards.taken(cards.double.event("payment_intent.succeeded", intent)) == "completed"
    row = await cards.row(id_)
    assert (row["status"], row["note"]) == ("completed", None)


async def test_another_amount_completes_nothing(cards: CardSystem) -> None:
    cards.double.ends = "processing"
    id_ = await cards.bought("1")
    await cards.until(id_, "pending", "processing")
    intent = cards.double.intent_of(id_) | {"status": "succeeded", "amount_received": 99}
    outcome = await cards.taken(cards.double.event("payment_intent.succeeded", intent))
    assert "another amount" in outcome
    assert (await cards.row(id_))["status"] == "pending"


async def test_an_event_that_cannot_be_handled_holds_up_no_other(cards: CardSystem) -> None:
    broken = cards.double.event("payment_intent.succeeded", {})
    del broken["data"]
    assert (await cards.post(broken)).status_code == 200
    assert await cards.taken(nothing_of_ours(cards)) == "not about a payment of ours"

    async def put_off() -> bool:
        row = await cards.buyer.sql.fetchrow(
            "SELECT * FROM stripe_events WHERE id = $1", broken["id"]
        )
        return bool(row["attempts"] and row["next_attempt_at"] and row["outcome"] == "KeyError")

    await eventually(put_off)


async def test_the_secret_of_the_double_is_no_part_of_a_message(cards: CardSystem) -> None:
    assert SECRET not in str(StripePaymentUpdated.model_json_schema())
    assert SECRET not in repr(cards.payment.settings)
