"""Top-ups that Stripe takes back: what is spent already is owed, and what is won comes back."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from chassis.bus.envelopes import new_id
from contracts.cards import OPEN_CHECKOUT, OpenCheckout
from contracts.errors import PaymentRequired
from contracts.ledger import ENTER_PAYMENT, GET_WALLET, REFUND_PAYMENT, GetWallet, WalletView
from contracts.payment import LIST_STRIPE, ListStripe
from payment_svc.cards import webhook
from tests.payment.books_helpers import check, entered, money, payment_for, refund_of
from tests.payment.cards_system import CardSystem
from tests.payment.helpers import Customer, completed, failed, new_customer

pytest_plugins = ("tests.payment.cards_fixtures",)


@dataclass
class TopUp:
    """Somebody who topped up, and Stripe's id of what was paid."""

    cards: CardSystem
    who: Customer
    id: str
    intent: str

    async def wallet(self) -> WalletView:
        return await self.who.ask(GET_WALLET, GetWallet())

    async def stands(self) -> tuple[Decimal, Decimal]:
        """What is available, and what is owed."""
        found = await self.wallet()
        assert found.available == found.posted - found.held
        return found.available, found.owed

    async def dispute(self, cents: int) -> Callable[[str, str], dict[str, Any]]:
        """A dispute; makes events of it."""
        made = self.cards.double.dispute(self.intent, cents)
        return lambda what, status: self.cards.double.told_of(made, what, status)

    async def spend(self, amount: str) -> tuple[str, str]:
        """A step that was paid; its task and its id."""
        task = new_id()
        step = await self.who.hold(amount, task=task)
        await self.who.told(completed(task, step, amount))
        return task, step


async def opened(cards: CardSystem, who: Customer, amount: str, id_: str) -> dict[str, Any]:
    """The session of a checkout; nobody has paid."""
    asked = OpenCheckout(amount=Decimal(amount), payment_id=id_)
    url = (await who.ask(OPEN_CHECKOUT, asked)).url
    return next(x for x in cards.double.sessions.values() if x["url"] == url)


async def topped_up(cards: CardSystem, amount: str) -> TopUp:
    """Somebody whose wallet has what was just paid into it, and nothing else."""
    buyer = cards.buyer
    who = await new_customer(cards.payment.database, buyer.bus, buyer.js, buyer.sql, "0")
    id_ = new_id()
    session = await opened(cards, who, amount, id_)
    assert await cards.taken(cards.double.pay(session["id"])) == "credited"
    return TopUp(cards, who, id_, session["payment_intent"])


async def sound(cards: CardSystem) -> None:
    assert await check(cards.buyer.bus) == []
    assert await check(cards.buyer.bus, full=False) == []


async def test_the_metadata_is_on_the_payment_too(cards: CardSystem) -> None:
    top_up = await topped_up(cards, "25")
    assert cards.double.intents[top_up.intent]["metadata"] == {"payment_id": top_up.id}
    assert cards.double.problems == []


async def test_a_refund_is_taken_back_once_whatever_tells_of_it(cards: CardSystem) -> None:
    top_up = await topped_up(cards, "25")
    made, charged = cards.double.give_back(top_up.intent, 2500)
    assert await cards.taken(charged) == "taken back"
    assert await cards.taken(made) == "nothing more to take back"
    again = cards.double.event("charge.refunded", charged["data"]["object"])
    assert await cards.taken(again) == "nothing more to take back"
    assert await top_up.stands() == money(0, 0)
    (shown,) = (await top_up.who.ask(LIST_STRIPE, ListStripe())).payments
    assert shown.status == "completed"
    assert "25 BazaarBucks" in (shown.note or "")
    lines = await top_up.who.sql.fetch(
        "SELECT kind, amount FROM entries WHERE ledger_account = $1 ORDER BY id",
        f"wallet:{top_up.who.account}",
    )
    assert [tuple(line) for line in lines] == [
        ("top_up", Decimal(25)),
        ("top_up_reversed", Decimal(-25)),
    ]
    await sound(cards)


async def test_partial_refunds_add_up_in_any_order(cards: CardSystem) -> None:
    top_up = await topped_up(cards, "25")
    events = [e for cents in (500, 700, 1300) for e in cards.double.give_back(top_up.intent, cents)]
    for event in reversed(events[:4]):
        await cards.taken(event)
    assert await top_up.stands() == money(13, 0)
    await asyncio.gather(*(cards.post(event) for event in events))
    for event in events:
        await cards.handled(event)
    assert await top_up.stands() == money(0, 0)
    await sound(cards)


async def test_what_is_spent_is_owed_and_spending_stops_until_it_is_paid(cards: CardSystem) -> None:
    top_up = await topped_up(cards, "25")
    task, step = await top_up.spend("15.5")
    assert await cards.taken(cards.double.give_back(top_up.intent, 2500)[1]) == "taken back"
    assert await top_up.stands() == (Decimal(0), Decimal("15.5"))
    who = top_up.who
    with pytest.raises(PaymentRequired, match=r"owes 15.5 BazaarBucks"):
        await who.hold("0.000001", task=new_id())
    with pytest.raises(PaymentRequired, match=r"owes 15.5 BazaarBucks"):
        await who.ask(ENTER_PAYMENT, entered(new_id(), "1"))
    await who.hold("0", task=new_id())  # What costs nothing spends nothing.
    await sound(cards)

    payment = await payment_for(who.sql, step)
    path = f"/api/payments/bazaarbucks/{payment}/refund"
    assert (await cards.http.post(path, json={"amount": 1})).status_code == 404  # It is not demo's.
    await who.told(failed(task, step))  # A refund of 15.5 pays the debt first.
    assert await top_up.stands() == money(0, 0)
    session = await opened(cards, who, "10", new_id())
    assert await cards.taken(cards.double.pay(session["id"])) == "credited"
    await who.hold("10", task=new_id())
    await sound(cards)


async def test_the_next_top_up_pays_the_debt_first(cards: CardSystem) -> None:
    top_up = await topped_up(cards, "25")
    await top_up.spend("20")
    await cards.taken(cards.double.give_back(top_up.intent, 2500)[0])
    for amount, left in (("15", money(0, 5)), ("8", money(3, 0))):
        session = await opened(cards, top_up.who, amount, new_id())
        assert await cards.taken(cards.double.pay(session["id"])) == "credited"
        assert await top_up.stands() == left
    await top_up.who.hold("3", task=new_id())
    await sound(cards)


@pytest.mark.parametrize("ends", ["captured", "released"])
async def test_what_is_held_meanwhile_ends_as_it_would(cards: CardSystem, ends: str) -> None:
    top_up = await topped_up(cards, "25")
    task = new_id()
    step = await top_up.who.hold("10", task=task)
    await cards.taken(cards.double.give_back(top_up.intent, 2500)[1])
    assert await top_up.stands() == money(0, 10)
    assert await top_up.who.extend(step, "11") == 10
    if ends == "captured":
        await top_up.who.told(completed(task, step, "4"))
        assert await top_up.stands() == money(0, 4)
    else:
        await top_up.who.told(failed(task, step))
        assert await top_up.stands() == money(0, 0)
    await sound(cards)


async def test_a_step_in_the_place_of_another_does_not_go_on_while_something_is_owed(
    cards: CardSystem,
) -> None:
    top_up = await topped_up(cards, "25")
    task = new_id()
    step = await top_up.who.hold("10", task=task)
    await cards.taken(cards.double.give_back(top_up.intent, 2500)[1])
    with pytest.raises(PaymentRequired, match="owes 10"):
        await top_up.who.hold("10", task=task, replaces=step)
    assert await top_up.who.status(step) == "held"
    await sound(cards)


CREATED, WITHDRAWN, UPDATED = (
    ("created", "needs_response"),
    ("funds_withdrawn", "needs_response"),
    ("updated", "under_review"),
)
LOST, WON, REINSTATED = ("closed", "lost"), ("closed", "won"), ("funds_reinstated", "won")


@pytest.mark.parametrize(
    "order",
    [
        (CREATED, WITHDRAWN, UPDATED, WON, REINSTATED),
        (REINSTATED, WON, UPDATED, WITHDRAWN, CREATED),
        (WITHDRAWN, REINSTATED, CREATED, WON, WITHDRAWN, WON),
        (WITHDRAWN, ("funds_reinstated", "under_review"), WITHDRAWN),
    ],
)
async def test_a_dispute_that_is_won_gives_it_back(
    cards: CardSystem, order: tuple[tuple[str, str], ...]
) -> None:
    top_up = await topped_up(cards, "25")
    await top_up.spend("5")
    told = await top_up.dispute(2500)
    for what, status in order:
        await cards.taken(told(what, status))
    assert await top_up.stands() == money(20, 0)
    row = await cards.row(top_up.id)
    assert (row["taken_back"], row["note"]) == (0, None)
    await sound(cards)


@pytest.mark.parametrize(
    "order",
    [(CREATED,), (WITHDRAWN,), (CREATED, WITHDRAWN, UPDATED, LOST), (LOST, WITHDRAWN, CREATED)],
)
async def test_a_dispute_takes_it_back_until_it_is_won(
    cards: CardSystem, order: tuple[tuple[str, str], ...]
) -> None:
    top_up = await topped_up(cards, "25")
    await top_up.spend("5")
    told = await top_up.dispute(2500)
    for what, status in order:
        await cards.taken(told(what, status))
    assert await top_up.stands() == money(0, 5)
    assert "25 BazaarBucks" in (await cards.row(top_up.id))["note"]
    await sound(cards)


async def test_a_question_of_a_bank_takes_nothing(cards: CardSystem) -> None:
    top_up = await topped_up(cards, "25")
    told = await top_up.dispute(2500)
    asked = ("warning_needs_response", "warning_under_review")
    for what, status in (
        ("created", asked[0]),
        ("updated", asked[1]),
        ("closed", "warning_closed"),
    ):
        assert await cards.taken(told(what, status)) == "nothing more to take back"
    assert await top_up.stands() == money(25, 0)


async def test_a_refund_and_a_dispute_of_one_charge_take_it_back_once(cards: CardSystem) -> None:
    top_up = await topped_up(cards, "25")
    made, charged = cards.double.give_back(top_up.intent, 1000)
    told = await top_up.dispute(2500)
    events = [told(*WITHDRAWN), made, told(*CREATED), charged]
    await asyncio.gather(*(cards.post(event) for event in events * 2))
    for event in events:
        await cards.handled(event)
    assert await top_up.stands() == money(0, 0)
    await cards.taken(told(*WON))  # The refund stays.
    assert await top_up.stands() == money(15, 0)
    await sound(cards)


async def test_what_is_told_before_the_payment_is_known_is_not_lost(cards: CardSystem) -> None:
    buyer = cards.buyer
    who = await new_customer(cards.payment.database, buyer.bus, buyer.js, buyer.sql, "0")
    id_ = new_id()
    session = await opened(cards, who, "25", id_)
    paid = cards.double.pay(session["id"])
    top_up = TopUp(cards, who, id_, session["payment_intent"])
    told = await top_up.dispute(1500)
    for early in (told(*WITHDRAWN), cards.double.give_back(top_up.intent, 500)[1]):
        assert (await cards.taken(early)).startswith("kept until")
    assert await top_up.stands() == money(0, 0)
    assert await cards.taken(paid) == "credited"
    assert await top_up.stands() == money(5, 0)
    await sound(cards)


async def test_a_refund_that_fails_gives_it_again(cards: CardSystem) -> None:
    top_up = await topped_up(cards, "25")
    made, charged = cards.double.give_back(top_up.intent, 2500)
    came_back = cards.double.refund_fails(made["data"]["object"]["id"])
    for event, left in ((charged, 0), (came_back, 25), (made, 25)):
        await cards.taken(event)
        assert await top_up.stands() == money(left, 0)
    await cards.taken(cards.double.give_back(top_up.intent, 700)[0])
    assert await top_up.stands() == money(18, 0)
    await sound(cards)


async def test_many_events_handled_by_many_at_once_take_it_back_once(cards: CardSystem) -> None:
    top_up = await topped_up(cards, "25")
    await top_up.spend("5")
    events = [e for cents in (500, 2000) for e in cards.double.give_back(top_up.intent, cents)]
    told = await top_up.dispute(2500)
    events += [told(*CREATED), told(*WITHDRAWN)]
    await asyncio.gather(*(cards.post(event) for event in events))
    await asyncio.gather(*(webhook.work(cards.payment.database) for _ in range(6)))
    for event in events:
        await cards.handled(event)
    assert await top_up.stands() == money(0, 5)
    await sound(cards)


async def test_what_strangers_get_back_is_kept_for_a_month(cards: CardSystem) -> None:
    dispute = {"object": "dispute", "amount": 100, "status": "needs_response"}
    for id_ in ("old", "new"):
        thing = dispute | {"id": f"du_{id_}", "payment_intent": f"pi_of_somebody_{id_}"}
        event = cards.double.event("charge.dispute.created", thing)
        assert (await cards.taken(event)).startswith("kept until")
    sql = cards.buyer.sql
    await sql.execute(
        "UPDATE card_reversals SET received_at = now() - interval '32 days' WHERE id = 'du_old'"
    )
    await webhook.forget(cards.payment.database)
    left = await sql.fetch("SELECT id FROM card_reversals WHERE id LIKE 'du___w' OR id = 'du_old'")
    assert [row["id"] for row in left] == ["du_new"]


async def test_old_events_go_however_many_they_are(cards: CardSystem) -> None:
    many, sql = 6_000, cards.buyer.sql
    await sql.execute(
        """INSERT INTO stripe_events (id, type, body, received_at, next_attempt_at)
           SELECT 'evt_old_' || n, 'charge.succeeded', '{}', now() - interval '32 days', NULL
           FROM generate_series(1, $1) n""",
        many,
    )
    await sql.execute(
        """INSERT INTO card_reversals
             (id, intent_id, kind, amount, taken, rank, told_at, received_at)
           SELECT 're_old_' || n, 'pi_old_' || n, 'refund', 1, true, 1, 0,
                  now() - interval '32 days'
           FROM generate_series(1, $1) n""",
        many,
    )
    await webhook.forget(cards.payment.database)
    assert await sql.fetchval("SELECT count(*) FROM stripe_events WHERE id LIKE 'evt_old_%'") == 0
    assert await sql.fetchval("SELECT count(*) FROM card_reversals WHERE id LIKE 're_old_%'") == 0


async def test_the_wallet_says_what_is_owed_over_http(cards: CardSystem) -> None:
    shown = (await cards.http.get("/api/wallet")).json()
    assert shown["owed"] == 0


async def test_a_refunded_payment_of_an_agent_is_no_top_up(cards: CardSystem) -> None:
    top_up = await topped_up(cards, "25")
    _, step = await top_up.spend("5")
    payment = await payment_for(top_up.who.sql, step)
    await top_up.who.ask(REFUND_PAYMENT, refund_of(payment, "1"))
    assert await top_up.stands() == money(21, 0)
