"""What agents buy is charged to a card by Stripe, once, whatever Stripe does meanwhile."""

import asyncio
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.bus.envelopes import new_id
from payment_svc.cards.charges import retry_s
from payment_svc.cards.rail import in_cents
from payment_svc.settings import Settings
from tests.payment.cards_system import CardSystem
from tests.payment.cards_things import refused
from tests.support.polling import eventually

pytest_plugins = ("tests.payment.cards_fixtures",)

BUSY = refused(429, "invalid_request_error", "Too many requests", code="rate_limit")
BROKEN = refused(500, "api_error", "Something went wrong on Stripe's end.")


async def test_a_purchase_is_charged_and_completed(cards: CardSystem) -> None:
    id_ = await cards.bought("2.25")
    row = await cards.until(id_, "completed")
    assert cards.double.charged(id_) == [225]
    intent = cards.double.intent_of(id_)
    assert row["intent_id"] == intent["id"]
    assert intent["metadata"] == {
        "payment_id": id_,
        "task_id": row["task_id"],
        "step_id": row["step_id"],
        "key": f"step-{row['step_id']}",
    }
    assert cards.double.calls[f"step-{row['step_id']}"] == 1
    assert cards.double.problems == []
    shown = await cards.shown(id_)
    assert (shown["status"], shown["rail"], shown["note"]) == ("completed", "stripe", None)
    assert await cards.told(id_, row["task_id"]) == ["pending", "completed"]


async def test_the_gateway_says_which_rail_is_in_use(cards: CardSystem) -> None:
    health = (await cards.http.get("/health")).json()
    assert health["services"]["payment"]["details"] == {"rail": "stripe"}


async def test_less_than_half_a_cent_is_not_charged_and_says_so(cards: CardSystem) -> None:
    id_ = await cards.bought("0.004999")
    row = await cards.until(id_, "completed", "nothing was charged")
    assert cards.double.calls[f"step-{row['step_id']}"] == 0


async def test_a_declined_card_fails_the_payment_and_not_the_step(cards: CardSystem) -> None:
    cards.double.declines = "insufficient_funds"
    id_ = await cards.bought("3")
    row = await cards.until(id_, "failed")
    assert row["note"] == "Your card was declined. (insufficient_funds)"
    assert (await cards.shown(id_))["note"] == row["note"]
    assert await cards.buyer.status(row["step_id"]) == "captured"
    assert cards.double.charged(id_) == []


async def test_a_failed_payment_is_tried_again_by_hand(cards: CardSystem) -> None:
    cards.double.declines = "generic_decline"
    id_ = await cards.bought("3")
    await cards.until(id_, "failed")
    again = await cards.http.post(f"/api/payments/stripe/{id_}/retry")
    assert (again.status_code, again.json()["status"]) == (200, "pending")
    await cards.until(id_, "failed")
    cards.double.declines = None
    assert (await cards.http.post(f"/api/payments/stripe/{id_}/retry")).status_code == 200
    row = await cards.until(id_, "completed")
    step = row["step_id"]
    keys = [f"step-{step}", f"step-{step}-retry-1", f"step-{step}-retry-2"]
    assert [cards.double.calls[key] for key in keys] == [1, 1, 1]
    assert cards.double.charged(id_) == [300]
    assert await cards.told(id_, row["task_id"], 6) == [
        *("pending", "failed", "pending", "failed", "pending", "completed")
    ]


async def test_only_a_failed_payment_is_tried_again(cards: CardSystem) -> None:
    id_ = await cards.bought("1")
    await cards.until(id_, "completed")
    answer = await cards.http.post(f"/api/payments/stripe/{id_}/retry")
    assert answer.status_code == 409
    assert "completed" in answer.json()["error"]
    unknown = await cards.http.post(f"/api/payments/stripe/{new_id()}/retry")
    assert unknown.status_code == 404


@pytest.mark.parametrize("trouble", [BUSY, BROKEN], ids=["busy", "broken"])
async def test_passing_trouble_is_outlasted(
    cards: CardSystem, trouble: tuple[int, dict[str, object]]
) -> None:
    cards.double.script += [trouble] * 3
    id_ = await cards.bought("1.5")
    row = await cards.until(id_, "completed")
    assert row["attempts"] == 4
    assert cards.double.calls[f"step-{row['step_id']}"] == 4
    assert cards.double.charged(id_) == [150]


async def test_what_stripe_refuses_fails_at_once(cards: CardSystem) -> None:
    cards.double.script.append(refused(400, "invalid_request_error", "No such customer"))
    row = await cards.until(await cards.bought("1"), "failed")
    assert (row["note"], row["attempts"]) == ("No such customer", 1)


async def test_a_refused_key_is_no_fault_of_the_payment_and_is_not_repeated(
    cards: CardSystem,
) -> None:
    text = "Invalid API Key provided: sk_test_****uble"
    cards.double.script += [refused(401, "invalid_request_error", text)] * 2
    id_ = await cards.bought("1")
    row = await cards.until(id_, "completed")
    assert row["attempts"] == 3


async def test_what_stripe_is_still_doing_waits_for_the_webhook(cards: CardSystem) -> None:
    cards.double.ends = "processing"
    id_ = await cards.bought("2")
    row = await cards.until(id_, "pending", "processing")
    assert row["next_attempt_at"] is None
    intent = cards.double.intent_of(id_)
    intent |= {"status": "succeeded", "amount_received": 200}
    assert await cards.taken(cards.double.event("payment_intent.succeeded", intent)) == "completed"
    assert (await cards.row(id_))["status"] == "completed"
    assert cards.double.calls[f"step-{row['step_id']}"] == 1


async def test_after_a_day_of_not_knowing_nobody_charges_again(cards: CardSystem) -> None:
    cards.double.script += [BROKEN] * 1000
    id_ = await cards.bought("1")
    row = await cards.until(id_, "pending", "error of its own")
    await cards.buyer.sql.execute(
        "UPDATE stripe_payments SET first_attempt_at = now() - interval '24 hours' WHERE id = $1",
        id_,
    )
    await cards.until(id_, "failed", "unknown")
    cards.double.script.clear()
    assert cards.double.charged(id_) == []
    assert (await cards.http.post(f"/api/payments/stripe/{id_}/retry")).status_code == 200
    await cards.until(id_, "completed")
    assert cards.double.charged(id_) == [100]
    assert cards.double.calls[f"step-{row['step_id']}-retry-1"] == 1


async def test_many_purchases_at_once_are_each_charged_once(cards: CardSystem) -> None:
    ids = await asyncio.gather(*(cards.bought(f"1.{n}") for n in range(11, 36)))
    for number, id_ in enumerate(ids, 111):
        await cards.until(id_, "completed")
        assert cards.double.charged(id_) == [number]
    assert cards.double.problems == []


async def test_other_settings_under_the_same_key_are_not_taken_for_a_refusal(
    cards: CardSystem,
) -> None:
    text = "Keys for idempotent requests can only be used with the same parameters."
    cards.double.script.append(refused(400, "idempotency_error", text))
    await cards.until(await cards.bought("1"), "failed", "unknown")


@pytest.mark.parametrize("late", [0, 3])
async def test_an_error_that_stripe_remembers_is_outlasted_by_a_new_key(
    cards: CardSystem, late: int
) -> None:
    cards.double.script.append(BROKEN)
    cards.double.remembers_script, cards.double.page_length = True, 2
    id_ = await cards.bought("1")
    row = await cards.until(id_, "completed")
    assert cards.double.charged(id_) == [100]
    step = row["step_id"]
    assert [cards.double.calls[key] for key in (f"step-{step}", f"step-{step}-retry-1")] == [2, 1]
    for _ in range(late):
        assert (
            await cards.taken(
                cards.double.event("payment_intent.succeeded", cards.double.intent_of(id_))
            )
            == "was completed before"
        )


async def test_what_was_charged_behind_a_remembered_error_is_found_and_not_charged_again(
    cards: CardSystem,
) -> None:
    cards.double.script.append(BROKEN)
    cards.double.remembers_script = cards.double.works_before_it_breaks = True
    cards.double.page_length = 2
    id_ = await cards.bought("1")
    row = await cards.until(id_, "completed")
    assert cards.double.charged(id_) == [100]
    assert row["intent_id"] == cards.double.intent_of(id_)["id"]
    assert cards.double.calls[f"step-{row['step_id']}-retry-1"] == 0


async def test_a_retry_by_hand_finds_what_was_charged_after_all(cards: CardSystem) -> None:
    text = "Keys for idempotent requests can only be used with the same parameters."
    cards.double.script.append(refused(400, "idempotency_error", text))
    cards.double.works_before_it_breaks = True
    id_ = await cards.bought("1")
    await cards.until(id_, "failed", "unknown")
    assert (await cards.http.post(f"/api/payments/stripe/{id_}/retry")).status_code == 200
    await cards.until(id_, "completed")
    assert cards.double.charged(id_) == [100]


async def look_now(cards: CardSystem, id_: str) -> None:
    """As if it were time to ask Stripe about a payment that waits for its webhook."""
    await cards.buyer.sql.execute("UPDATE stripe_payments SET look_at = now() WHERE id = $1", id_)


@pytest.mark.parametrize(
    ("became", "status"), [("succeeded", "completed"), ("requires_payment_method", "failed")]
)
async def test_without_a_webhook_a_payment_is_looked_at(
    cards: CardSystem, became: str, status: str
) -> None:
    cards.double.ends = "processing"
    id_ = await cards.bought("2")
    row = await cards.until(id_, "pending", "processing")
    assert row["look_at"] > row["created_at"]
    await look_now(cards, id_)

    async def looked_at() -> bool:
        later = await cards.row(id_)
        return bool(later["look_at"] > row["look_at"])

    await eventually(looked_at)
    assert (await cards.row(id_))["status"] == "pending"
    cards.double.intent_of(id_)["status"] = became
    await look_now(cards, id_)
    await cards.until(id_, status)
    assert cards.double.calls[f"step-{row['step_id']}"] == 1


async def test_without_a_webhook_a_refund_is_looked_at(cards: CardSystem) -> None:
    cards.double.refund_ends = "pending"
    id_ = await cards.bought("2")
    await cards.until(id_, "completed")
    refund = await cards.void(id_)
    row = await cards.until(refund, "pending", "webhook decides")
    cards.double.refunds[row["intent_id"]]["status"] = "succeeded"
    await look_now(cards, refund)
    await cards.until(refund, "completed")


@given(st.decimals(0, 10**6, places=6))
def test_cents_are_within_half_a_cent(amount: Decimal) -> None:
    off = in_cents(amount) - amount * 100
    assert Decimal("-0.5") < off <= Decimal("0.5")


@given(st.integers(1, 10_000))
def test_each_wait_is_longer_until_the_longest(attempts: int) -> None:
    settings = Settings(_env_file=None)
    first, second = retry_s(settings, attempts), retry_s(settings, attempts + 1)
    assert second == min(2 * first, settings.card_retry_at_most_s)
