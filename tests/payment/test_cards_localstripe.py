"""A second witness: localstripe, another's idea of Stripe, as a process of its own.

It knows neither idempotency keys, nor descriptions, nor automatic payment methods, and no cards
but those that were made at it; the double checks the former and asks it for the rest. Answers,
refusals, events and signatures are localstripe's own.
"""

import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.ports import free_port
from tests.payment.cards_double import KEY, SECRET
from tests.payment.cards_people import Answer
from tests.payment.cards_system import WEBHOOK, CardSystem
from tests.support.polling import eventually

pytest_plugins = ("tests.payment.cards_fixtures",)

UNKNOWN_TO_IT = ("description", "automatic_payment_methods")
GOOD = "4242424242424242"
DECLINED = "4000000000000341"


@pytest.fixture(scope="module")
async def localstripe(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """A client of localstripe, running."""
    port = free_port()
    folder: Path = tmp_path_factory.mktemp("localstripe")
    command = [sys.executable, "-m", "localstripe", "--from-scratch", "--port", str(port)]
    process = subprocess.Popen(  # noqa: ASYNC220, S603  (starting it takes no time)
        command, cwd=folder, env={"TMPDIR": str(folder), "HOME": str(folder)}
    )
    try:
        async with httpx.AsyncClient(
            base_url=f"http://localhost:{port}", auth=(KEY, ""), trust_env=False, timeout=10
        ) as http:

            async def up() -> bool:
                assert process.poll() is None
                with contextlib.suppress(httpx.TransportError):
                    return (await http.get("/v1/customers")).is_success
                return False

            await eventually(up)
            yield http
    finally:
        process.kill()
        process.wait()


async def ask_it(cards: CardSystem, localstripe: httpx.AsyncClient, number: str) -> None:
    """Have card payments answered by localstripe, with a card of this number."""
    url = str(cards.http.base_url).rstrip("/") + WEBHOOK
    hook = {"url": url, "secret": SECRET}
    (await localstripe.post("/_config/webhooks/ours", data=hook)).raise_for_status()
    card = {"number": number, "exp_month": "12", "exp_year": "2040", "cvc": "123"}
    made = await localstripe.post(
        "/v1/payment_methods",
        data={"type": "card", **{f"card[{name}]": value for name, value in card.items()}},
    )
    made.raise_for_status()

    async def witness(path: str, form: dict[str, str]) -> Answer:
        known = {k: v for k, v in form.items() if not k.startswith(UNKNOWN_TO_IT)}
        if "payment_method" in known:
            known["payment_method"] = made.json()["id"]
        if path.startswith("GET "):
            answer = await localstripe.get(path.removeprefix("GET "), params=form)
        else:
            answer = await localstripe.post(path, data=known)
        return answer.status_code, answer.json()

    cards.double.witness = witness


async def events_of(cards: CardSystem, payment_id: str, type_: str) -> list[Any]:
    """The events of localstripe about a payment that were stored and handled."""
    found: list[Any] = await cards.buyer.sql.fetch(
        "SELECT outcome FROM stripe_events WHERE type = $1 AND position($2 in body) > 0"
        " AND next_attempt_at IS NULL",
        type_,
        payment_id,
    )
    return found


async def test_a_charge_and_its_webhook(cards: CardSystem, localstripe: httpx.AsyncClient) -> None:
    await ask_it(cards, localstripe, GOOD)
    id_ = await cards.bought("8.88")
    row = await cards.until(id_, "completed")
    intent = (await localstripe.get(f"/v1/payment_intents/{row['intent_id']}")).json()
    assert (intent["amount"], intent["currency"], intent["status"]) == (888, "usd", "succeeded")
    assert intent["metadata"]["payment_id"] == id_
    (event,) = await eventually(lambda: events_of(cards, id_, "payment_intent.succeeded"))
    assert event["outcome"] == "was completed before"


async def test_a_declined_card(cards: CardSystem, localstripe: httpx.AsyncClient) -> None:
    await ask_it(cards, localstripe, DECLINED)
    id_ = await cards.bought("8.88")
    row = await cards.until(id_, "failed")
    assert "declined" in row["note"]
    (event,) = await eventually(lambda: events_of(cards, id_, "payment_intent.payment_failed"))
    assert event["outcome"] == "is failed already"


async def test_a_refund(cards: CardSystem, localstripe: httpx.AsyncClient) -> None:
    await ask_it(cards, localstripe, GOOD)
    id_ = await cards.bought("8.88")
    charged = await cards.until(id_, "completed")
    row = await cards.until(await cards.void(id_), "completed")
    refund = (await localstripe.get(f"/v1/refunds/{row['intent_id']}")).json()
    assert (refund["amount"], refund["status"]) == (888, "succeeded")
    assert refund["metadata"]["payment_id"] == row["id"]
    charge = (await localstripe.get(f"/v1/charges/{refund['charge']}")).json()
    assert charge["payment_intent"] == charged["intent_id"]
    assert (charge["refunded"], charge["amount_refunded"]) == (True, 888)
