"""What Stripe tells, and how often: credited once, taken back once, at whichever gateway."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.complaints.system import Json, Marketplace, Person
from tests.payment.cards_double import body_of, signed
from tests.payment.cards_things import refused
from tests.support.clients import http_client
from tests.support.polling import eventually
from tests.support.scripted_agent import answers

WEBHOOK = "/api/payments/stripe/webhook"
PAID = ("checkout.session.completed", "checkout.session.async_payment_succeeded")
BREAKING = (
    """CREATE FUNCTION payment.broken() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'broken on purpose'; END $$""",
    """CREATE TRIGGER broken BEFORE INSERT ON payment.entries
       FOR EACH ROW WHEN (NEW.kind = 'top_up') EXECUTE FUNCTION payment.broken()""",
)
MENDING = ("DROP TRIGGER broken ON payment.entries", "DROP FUNCTION payment.broken()")


async def tells(person: Person, event: Json, number: int = 0) -> None:
    """Stripe sends an event to one of the gateways; it shows no key, but a signature."""
    body = body_of(event)
    headers = {"Content-Type": "application/json", "Stripe-Signature": signed(body)}
    async with http_client(base_url=person.at(number).base_url, trust_env=False) as stripe:
        answer = await stripe.post(WEBHOOK, content=body, headers=headers)
    assert answer.status_code == httpx.codes.OK, answer.text


async def topped_up(market: Marketplace, person: Person, amount: int) -> Json:
    """The session of a page on which somebody has paid; Stripe has not told of it yet."""
    opened = await person.first.post("/api/payments/checkout", json={"amount": amount})
    assert opened.status_code == httpx.codes.OK, opened.text
    url = opened.json()["url"]
    session = next(one for one in market.stripe.sessions.values() if one["url"] == url)
    market.stripe.pay(session["id"])
    return session


async def until_posted(person: Person, amount: float, owed: float = 0) -> None:
    """Wait until a wallet has so much, and owes so much."""

    async def so() -> bool:
        found = await person.get("/api/wallet")
        return (found["posted"], found["owed"]) == (amount, owed)

    await eventually(so)


async def handled(market: Marketplace, *events: Json) -> list[str]:
    """Wait until events were handled; what came of each."""
    ids = [event["id"] for event in events]
    query = "SELECT id, outcome, next_attempt_at FROM payment.stripe_events WHERE id = ANY($1)"

    async def all_of_them() -> list[Any]:
        rows = await market.system.rows(query, ids)
        done = [row for row in rows if row["next_attempt_at"] is None]
        return done if len(done) == len(ids) else []

    outcomes = {row["id"]: row["outcome"] for row in await eventually(all_of_them)}
    return [outcomes[id_] for id_ in ids]


async def test_a_webhook_that_came_twice_credited_twice(market: Marketplace) -> None:
    """anomalyco/opencode#28402, pollinations/pollinations#10621.

    The same event eight times at once, and two kinds of event for one page.
    """
    person = await market.person("1")
    session = await topped_up(market, person, 5)
    events = [market.stripe.event(kind, session) for kind in PAID]

    await asyncio.gather(*(tells(person, events[n % 2], n // 2) for n in range(16)))

    assert sorted(await handled(market, *events)) == ["credited", "was credited before"]
    await until_posted(person, 6)
    lines = await person.get("/api/ledger", account="wallet")
    assert [line["amount"] for line in lines if line["kind"] == "top_up"] == [5]


@asynccontextmanager
async def books_broken(market: Marketplace) -> AsyncIterator[None]:
    """No credit can be written down meanwhile."""
    for statement in BREAKING:
        await market.system.rows(statement)
    try:
        yield
    finally:
        for statement in MENDING:
            await market.system.rows(statement)


async def test_an_event_was_marked_as_seen_before_the_credit_was_made(market: Marketplace) -> None:
    """danny-avila/LibreChat#13812: the second delivery was taken for a double, and no one paid."""
    person = await market.person("1")
    session = await topped_up(market, person, 5)
    event = market.stripe.event(PAID[0], session)
    query = "SELECT attempts FROM payment.stripe_events WHERE id = $1 AND attempts > 0"

    async with books_broken(market):
        await tells(person, event, 0)
        await eventually(lambda: market.system.rows(query, event["id"]))
        await tells(person, event, 1)
        assert (await person.get("/api/wallet"))["posted"] == 1

    assert await handled(market, event) == ["credited"]
    await until_posted(person, 6)


async def test_a_refund_or_a_chargeback_left_the_credits(market: Marketplace) -> None:
    """elizaOS/eliza#10920, Helicone/helicone#4728, anomalyco/opencode#28398.

    Whoever had their money back could go on spending it.
    """
    person = await market.person("1")
    sessions = [await topped_up(market, person, amount) for amount in (25, 10)]
    for session in sessions:
        await tells(person, market.stripe.event(PAID[0], session))
    await until_posted(person, 36)
    async with market.agent(answers(cost="15"), price="15") as (agent, does):
        made = await person.first.post("/api/tasks", json={"userQuery": "dear", "maxBudget": 99})
        spent = await person.call(agent, taskId=made.json()["id"])
        assert spent.status_code == httpx.codes.OK, spent.text
        await until_posted(person, 21)

        refunds = market.stripe.give_back(sessions[0]["payment_intent"], 2500)
        for number, event in enumerate((*refunds, *refunds)):
            await tells(person, event, number)
        await until_posted(person, 0, owed=4)
        dispute = market.stripe.dispute(sessions[1]["payment_intent"], 1000)
        for number, what in enumerate(("created", "funds_withdrawn")):
            event = market.stripe.told_of(dispute, what, "needs_response")
            await tells(person, event, number)
        await until_posted(person, 0, owed=14)

        declined = await person.call(agent, 1, taskId=made.json()["id"])
        assert (declined.status_code, "owes 14" in declined.json()["error"]) == (402, True)
        assert len(does.calls) == 1


async def test_a_time_out_of_the_card_was_taken_for_a_failure(market: Marketplace) -> None:
    """x402-foundation/x402#853, aws-samples/sample-agentcore-cloudfront-x402-payments#40.

    The payer was charged, was told that it had failed, and paid again.
    """
    person, stripe = await market.person("100"), market.stripe
    stripe.works_before_it_breaks = stripe.remembers_script = True
    stripe.script.append(refused(500, "api_error", "Sorry, it may have worked."))
    buys = answers(cost="0.1", requires_external_tool=True, external_cost=4, vendor="Shop")
    async with market.agent(buys, price="5") as (agent, _):
        made = await person.first.post("/api/tasks", json={"userQuery": "x", "maxBudget": 9})
        called = await person.call(agent, taskId=made.json()["id"])
        assert called.status_code == httpx.codes.OK, called.text
    [spend] = await eventually(lambda: person.get("/api/payments/stripe"))

    async def retried() -> bool:
        """Impatient people ask for another try beside those that are made anyway."""
        await person.first.post(f"/api/payments/stripe/{spend['id']}/retry")
        [now] = await person.get("/api/payments/stripe")
        return bool(now["status"] == "completed")

    await eventually(retried)
    again = await person.second.post(f"/api/payments/stripe/{spend['id']}/retry")
    assert again.status_code == httpx.codes.CONFLICT
    assert stripe.charged(spend["id"]) == [400]
