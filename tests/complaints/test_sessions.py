"""Credentials that spend so much, and quotes, as callers over HTTP meet them at two gateways."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.complaints.system import Marketplace, Person
from tests.gateway.credentials import make_key
from tests.support.polling import eventually
from tests.support.scripted_agent import answers

PROBLEM = "urn:agentbazaar:problem:payment-required"


def tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()


async def session(market: Marketplace, owner: Person, **limits: Any) -> tuple[Person, str]:
    """Somebody with a session of an account, and the session's id."""
    body = {"limit": 1, "expiresAt": tomorrow()} | limits
    made = await owner.first.post("/api/sessions", json=body)
    assert made.status_code == 200, made.text
    token = made.json()["token"]
    clients = [await market.client(url, token) for url in market.urls]
    return Person(owner.account, *clients), made.json()["id"]


async def test_an_agent_spends_no_more_than_its_session_at_any_gateway(
    market: Marketplace, alice: Person
) -> None:
    """What was asked for at two gateways at once spent more than the credential allowed."""
    buyer, id_ = await session(market, alice, note="for the crawler")
    async with market.agent(answers(cost="0.3"), price="0.3") as (agent, does):
        outcomes = await asyncio.gather(*(buyer.call(agent, n) for n in range(20)))
        assert Counter(answer.status_code for answer in outcomes) == {200: 3, 402: 17}
        assert len(does.calls) == 3
        refused = next(answer for answer in outcomes if answer.status_code == 402)
        assert "may spend 1 BazaarBucks" in refused.json()["error"]
        assert (await alice.call(agent)).status_code == 200, "the account itself goes on"
    paid = next(answer.json() for answer in outcomes if answer.status_code == 200)

    async def captured() -> bool:
        found: float = (await buyer.get("/api/session"))["held"]
        return found == 0

    await eventually(captured)
    receipt = await buyer.get(f"/api/tasks/{paid['taskId']}/receipt")
    assert (receipt["remaining"], receipt["spender"]) == (0.1, id_)
    (line,) = receipt["lines"]
    assert (line["quoted"], line["billed"], line["paid"]) == (0.3, 0.3, 0.3)
    (shown,) = [one for one in await alice.get("/api/sessions") if one["id"] == id_]
    assert (shown["limit"], shown["spent"], shown["remaining"]) == (1, 0.9, 0.1)
    assert "token" not in shown
    assert "hash" not in shown
    mine = await buyer.get("/api/session")
    assert mine == shown


async def test_a_session_sees_what_it_made_and_nothing_else(
    market: Marketplace, alice: Person
) -> None:
    """A program's credential showed all that the account had."""
    buyer, _ = await session(market, alice)
    other, _ = await session(market, alice)
    async with market.agent(answers(cost="0.1")) as (agent, _):
        mine = (await buyer.call(agent)).json()["taskId"]
        theirs = (await alice.call(agent)).json()["taskId"]
        made = await other.first.post("/api/tasks", json={"userQuery": "hidden", "maxBudget": 1})
        foreign = made.json()["id"]
        for number in (0, 1, 0, 1):  # Gateways keep answers; a session gets none of them.
            for task, status in ((mine, 200), (theirs, 404), (foreign, 404)):
                for what in ("", "/steps", "/receipt"):
                    path = f"/api/tasks/{task}{what}"
                    assert (await buyer.at(number).get(path)).status_code == status, path
                    assert (await alice.at(number).get(path)).status_code == 200, path
        assert (await buyer.call(agent, taskId=theirs)).status_code == 404
        assert (await buyer.call(agent, taskId=mine)).status_code == 200
    for method, path in (
        ("GET", "/api/wallet"),
        ("GET", "/api/tasks"),
        ("GET", "/api/messages"),
        ("GET", "/api/sessions"),
        ("GET", "/api/keys"),
        ("GET", "/api/events"),
        ("GET", f"/api/tasks/{mine}/events"),
        ("GET", "/api/ledger"),
        ("GET", "/api/ledger/check"),
        ("GET", "/api/payments/stripe"),
        ("POST", "/api/hubchat/message"),
        ("POST", "/api/sessions"),
        ("POST", "/api/keys"),
        ("POST", "/api/payments/checkout"),
        ("POST", "/api/payments/bazaarbucks"),
        ("POST", f"/api/tasks/{mine}/cancel"),
        ("DELETE", "/api/sessions/x"),
    ):
        answer = await buyer.first.request(method, path, json={} if method == "POST" else None)
        assert answer.status_code == 403, path
    assert (await buyer.get("/api/agents"))[0]["id"]


async def test_a_key_of_somebody_else_repeats_nothing_of_a_session(
    market: Marketplace, alice: Person
) -> None:
    """An `Idempotency-Key` is the credential's own: what another called so is not shown."""
    buyer, _ = await session(market, alice)
    async with market.agent(answers(cost="0.1")) as (agent, does):
        first = await alice.call(agent, key="k-1")
        second = await buyer.call(agent, key="k-1")
        again = await buyer.call(agent, 1, key="k-1")
    assert first.json()["taskId"] != second.json()["taskId"] == again.json()["taskId"]
    assert len(does.calls) == 2


async def test_a_revoked_session_spends_nothing_more(market: Marketplace, alice: Person) -> None:
    """A credential that was revoked went on spending."""
    buyer, id_ = await session(market, alice)
    bob = await market.person()
    assert (await bob.first.delete(f"/api/sessions/{id_}")).status_code == 404
    async with market.agent(answers(cost="0.1")) as (agent, does):
        assert (await buyer.call(agent)).status_code == 200
        closed = await alice.first.delete(f"/api/sessions/{id_}")
        assert closed.json()["closedAt"] is not None
        # The other gateway may know it for seconds; it spends nothing there all the same.
        statuses = {(await buyer.call(agent, number)).status_code for number in (0, 1)}
        assert statuses <= {401, 402}
        assert len(does.calls) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"limit": 1},
        {"limit": 0, "expiresAt": "2100-01-01T00:00:00Z"},
        {"limit": -1, "expiresAt": "2100-01-01T00:00:00Z"},
        {"limit": 1, "expiresAt": "2001-01-01T00:00:00Z"},
        {"limit": 1, "expiresAt": "soon"},
        {"limit": 1, "expiresAt": "2100-01-01T00:00:00Z", "agents": []},
        {"limit": 1, "expiresAt": "2100-01-01T00:00:00Z", "scopes": ["admin"]},
        {"limit": 1, "expiresAt": "2100-01-01T00:00:00Z", "account": "bob"},
    ],
    ids=str,
)
async def test_a_session_without_sense_is_refused(alice: Person, body: dict[str, Any]) -> None:
    """Limits without sense were taken, and limited nothing."""
    assert (await alice.first.post("/api/sessions", json=body)).status_code == 422


async def test_an_admin_makes_keys_with_limits(market: Marketplace, alice: Person) -> None:
    """The limit of a key counted at one gateway only."""
    admin = await market.client(
        market.urls[0], await make_key(market.stack.nats_url, "root", "--scopes", "admin,read")
    )
    body = {"account": alice.account, "scopes": ["read", "write"], "perDay": 0.5}
    assert (await alice.first.post("/api/keys", json=body)).status_code == 403
    made = await admin.post("/api/keys", json=body)
    assert made.status_code == 200, made.text
    id_ = made.json()["id"]
    assert made.json()["account"] == alice.account
    clients = [await market.client(url, made.json()["token"]) for url in market.urls]
    limited = Person(alice.account, *clients)
    async with market.agent(answers(cost="0.2"), price="0.2") as (agent, _):
        statuses = [(await limited.call(agent, number)).status_code for number in range(3)]
        assert statuses == [200, 200, 402]
        assert "a day" in (await limited.call(agent)).json()["error"]
    assert (await limited.get("/api/wallet"))["available"] <= 100, "it sees all that a key sees"
    more = {"limit": 1, "expiresAt": tomorrow()}
    assert (await limited.first.post("/api/sessions", json=more)).status_code == 403
    listed = (await admin.get("/api/keys")).json()
    assert id_ in [one["id"] for one in listed]
    assert (await limited.first.get("/api/keys")).status_code == 403
    assert (await limited.first.delete(f"/api/keys/{id_}")).status_code == 403
    assert (await admin.delete(f"/api/keys/{id_}")).status_code == 200
    refused = await limited.first.get("/api/wallet")
    assert refused.status_code == 401


async def test_what_hubchat_spends_counts_for_the_key_that_asked(
    market: Marketplace, alice: Person
) -> None:
    """The credential goes along with all that follows from a message, over the bus and back."""
    admin = await market.client(
        market.urls[0], await make_key(market.stack.nats_url, "root", "--scopes", "admin,read")
    )
    body = {"account": alice.account, "scopes": ["read", "write"], "limit": 50}
    made = (await admin.post("/api/keys", json=body)).json()
    clients = [await market.client(url, made["token"]) for url in market.urls]
    limited = Person(alice.account, *clients)
    skill = f"vqspends{made['id'][:6]}"
    async with market.agent(answers(cost="0.1"), skills=[skill]) as (_agent, does):
        said = await limited.say(f"Please {skill}: the sea")
    assert len(does.calls) >= 1, said
    spent = await limited.get("/api/session")
    assert spent["spent"] >= 0.1


async def test_402_says_what_is_missing_and_where_to_get_it(market: Marketplace) -> None:
    """A 402 said nothing that a program could act on."""
    person = await market.person("0.05")
    buyer, _ = await session(market, person, limit=20)
    async with market.agent(answers(cost="0.1")) as (agent, _):
        refused = await person.call(agent)
        by_session = await buyer.call(agent)
        tight = await person.first.post("/api/tasks", json={"userQuery": "x", "maxBudget": 0})
        budget = await person.call(agent, taskId=tight.json()["id"], maxPrice=0.01)
    assert refused.status_code == 402
    assert refused.headers["content-type"] == "application/problem+json"
    body = refused.json()
    assert body["type"] == PROBLEM
    assert (body["required"], body["available"]) == (0.1, 0.05)
    assert body["topUp"] == "/api/payments/checkout"
    assert body["error"] == body["detail"]
    # A session is not told what is in the wallet.
    assert by_session.json()["type"] == PROBLEM
    assert (by_session.json()["available"], by_session.json()["topUp"]) == (20, None)
    # More money would not help.
    assert (budget.json()["required"], budget.json()["topUp"]) == (0.01, None)


async def test_a_quote_over_http_binds_at_both_gateways(market: Marketplace, alice: Person) -> None:
    """What was quoted was not what was charged."""
    bob = await market.person()
    async with market.agent(answers(cost="5"), price="0.2") as (agent, _):
        quote = await alice.first.post("/api/quotes", json={"agentId": agent, "payload": {}})
        assert quote.status_code == 200, quote.text
        quoted = quote.json()
        assert (quoted["price"], quoted["agentId"]) == (0.2, agent)
        assert datetime.fromisoformat(quoted["expiresAt"]) > datetime.now(UTC)
        by_id = {"quoteId": quoted["quoteId"], "payload": {"text": "hello"}}
        for number in (0, 1):
            called = await alice.at(number).post("/api/invoke-agent", json=by_id)
            assert called.status_code == 200, called.text
            assert (called.json()["cost"], called.json()["quoted"]) == (0.2, 0.2)
            assert called.json()["billed"] == 5
        same = await alice.first.post("/api/invoke-agent", json=by_id | {"agentId": agent})
        assert same.status_code == 200

        async def status(client: httpx.AsyncClient, **body: Any) -> tuple[int, str]:
            answer = await client.post("/api/invoke-agent", json={"payload": {}} | body)
            return answer.status_code, answer.json()["error"]

        foreign = await status(bob.first, quoteId=quoted["quoteId"])
        assert foreign == (404, "There is no such quote.")
        assert (await status(alice.first, quoteId="x.y.z"))[0] == 404
        assert (await status(alice.first, quoteId="nonsense"))[0] == 422
        assert await status(alice.first) == (
            422,
            "agentId: Field required, or a skill to have an agent chosen.",
        )
        other = await status(alice.first, quoteId=quoted["quoteId"], agentId="other")
        assert other == (404, "Agent not found")
    unknown = await alice.first.post("/api/quotes", json={"agentId": "nobody"})
    assert unknown.status_code == 404
