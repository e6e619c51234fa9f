"""Sellers are onboarded at Stripe: an account, a page, and what Stripe says of them."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from chassis.bus.envelopes import new_id
from contracts.envelope import DEFAULT_ACCOUNT
from payment_svc.app import build
from payment_svc.cards.webhook import signed_by_stripe
from payment_svc.payouts import store_onboarding
from tests.payment.cards_double import SECRET, signed
from tests.payment.cards_system import CardSystem, card_settings
from tests.payment.conftest import payment_settings
from tests.support.polling import eventually
from tests.support.stack import Stack

pytest_plugins = ["tests.payment.cards_fixtures"]
CONNECT_SECRET = "whsec_of_connected_accounts"
LINK = "https://connect.stripe.example/setup/e/"


@pytest.fixture
async def http(cards: CardSystem) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without an account at Stripe, whatever the tests before made of him."""
    await cards.buyer.sql.execute("UPDATE sellers SET destination = NULL, look_at = NULL")
    cards.double.accounts.clear()
    cards.double.connected = set()
    yield cards.http
    assert not cards.double.problems


async def until(http: httpx.AsyncClient, onboarding: str) -> dict[str, Any]:
    async def so() -> Any:
        found = (await http.get("/api/seller")).json()
        return found if found["onboarding"] == onboarding else None

    found: dict[str, Any] = await eventually(so)
    return found


async def test_from_no_account_to_being_paid(cards: CardSystem, http: httpx.AsyncClient) -> None:
    await until(http, "none")
    early = await http.post("/api/seller/payouts", json={})
    assert (early.status_code, "/api/seller/onboarding" in early.json()["error"]) == (409, True)

    page = await http.post("/api/seller/onboarding")
    assert page.status_code == 200, page.text
    assert page.json()["url"].startswith(LINK)
    account = page.json()["destination"]
    (made,) = cards.double.accounts.values()
    assert (made["id"], made["metadata"]) == (account, {"account": DEFAULT_ACCOUNT})
    another = await http.post("/api/seller/onboarding")
    assert another.json()["destination"] == account
    assert another.json()["url"] != page.json()["url"]

    waits = await until(http, "incomplete")
    assert (waits["destination"], waits["needs"]) == (
        account,
        ["external_account", "tos_acceptance.date"],
    )
    refused = await http.post("/api/seller/payouts", json={})
    assert refused.status_code == 409
    assert "does not pay you yet. It wants: external_account" in refused.json()["error"]

    told = cards.double.onboard(account)
    assert await cards.taken(told) == "Stripe is asked about the seller"
    assert (await until(http, "complete"))["needs"] == []


async def test_an_account_that_was_named_is_asked_about(
    cards: CardSystem, http: httpx.AsyncClient
) -> None:
    cards.double.connected = {"acct_1Known"}
    for account, ends in (("acct_1Known", "complete"), ("acct_1Stranger", "incomplete")):
        answer = await http.put("/api/seller/destination", json={"destination": account})
        assert answer.json()["onboarding"] == "unknown"
        found = await until(http, ends)
        assert found["destination"] == account
    assert found["needs"] == ["no account of this marketplace at Stripe"]


async def test_stripe_is_away_or_refuses_it(cards: CardSystem, http: httpx.AsyncClient) -> None:
    cards.double.script = [(500, {"error": {"type": "api_error", "message": "down"}})]
    away = await http.post("/api/seller/onboarding")
    assert (away.status_code, away.json()["error"]) == (503, "Stripe has an error of its own.")
    no = "You can only create accounts once you have signed up for Connect."
    cards.double.script = [(400, {"error": {"type": "invalid_request_error", "message": no}})]
    refused = await http.post("/api/seller/onboarding")
    assert (refused.status_code, no in refused.json()["error"]) == (422, True)
    assert cards.double.accounts == {}


async def test_what_is_told_while_stripe_is_asked_is_asked_again(cards: CardSystem) -> None:
    """The answer may be from before; and an answer about another account changes nothing."""
    service = build(card_settings(cards.stack, "http://127.0.0.1:9"))
    service.database.departures = None
    db, account = service.database, new_id()
    async with db.transaction() as tx:  # Nobody else sees it, or asks.
        await store_onboarding.set_destination(tx.conn, account, "acct_1Home", 0)
        every = await store_onboarding.claim_looks(tx.conn, 60)
        (looked,) = [one for one in every if one.account == account]
        assert await store_onboarding.look_soon(tx.conn, "acct_1Home") == 1
        late = await store_onboarding.seen(tx.conn, looked, payable=False, needs=(), again_s=60)
        assert not late
        kept = await store_onboarding.set_destination(tx.conn, account, "acct_2", 0, keep=True)
        assert kept == "acct_1Home"
    await db.engine.dispose()


async def test_events_of_connected_accounts_are_signed_with_a_secret_of_their_own(
    stack: Stack,
) -> None:
    both = payment_settings(stack, stripe_webhook_secret=f"{SECRET}, {CONNECT_SECRET}")
    assert both.webhook_secrets == [SECRET, CONNECT_SECRET]
    body = b'{"id": "evt_1", "object": "event", "type": "account.updated"}'
    for secret in (SECRET, CONNECT_SECRET):
        event = signed_by_stripe(body.decode(), signed(body, secret=secret), both.webhook_secrets)
        assert event.id == "evt_1"
