"""A person approves what costs more than a credential may spend unasked, at two gateways."""

import asyncio
from typing import Any

import httpx

from tests.complaints.system import Marketplace, Person
from tests.complaints.test_sessions import session
from tests.gateway.credentials import make_key
from tests.gateway.reading import reading
from tests.support.polling import eventually, until
from tests.support.scripted_agent import answers
from tests.support.told import endpoint


async def waiting(owner: Person, number: int = 1) -> list[dict[str, Any]]:
    """What waits for a person of the account, once it is so many."""

    async def there() -> list[dict[str, Any]] | None:
        found = [one for one in await owner.get("/api/approvals") if one["state"] == "waiting"]
        return found if len(found) == number else None

    found = await eventually(there)
    assert found is not None
    return found


async def decide(who: Person, step_id: str, what: str, number: int = 0) -> httpx.Response:
    return await who.at(number).post(f"/api/steps/{step_id}/{what}")


async def answered(buyer: Person, agent: str, key: str) -> httpx.Response:
    """The call's answer, asked for again until it does not wait any more."""

    async def there() -> httpx.Response | None:
        said = await buyer.call(agent, 1, key=key)
        return None if said.status_code == 409 else said

    said = await eventually(there)
    assert said is not None
    return said


async def test_a_step_waits_for_a_person_and_costs_nothing_until_then(
    market: Marketplace, alice: Person, bob: Person
) -> None:
    buyer, id_ = await session(market, alice, limit=5, approveAbove=0.2)
    assert (await buyer.get("/api/session"))["approveAbove"] == 0.2
    async with (
        market.agent(answers(cost="0.3"), price="0.3") as (dear, does),
        market.agent(answers(cost="0.2"), price="0.2") as (cheap, _),
        reading(alice.first, "/api/events") as heard,
        endpoint() as hook,
    ):
        order = {"url": hook.url, "events": ["step.approval_requested"]}
        assert (await alice.first.post("/api/webhooks", json=order)).status_code == 200
        assert (await buyer.call(cheap)).status_code == 200
        first = await buyer.call(dear, key="buy-1")
        assert (first.status_code, first.headers["idempotency-outcome"]) == (409, "running")
        assert "waits for a person's approval" in first.json()["error"]
        assert first.headers["retry-after"]
        (asked,) = await waiting(alice)
        assert (asked["amount"], asked["spender"], asked["agentId"]) == (0.3, id_, dear)
        await until(lambda: "step.approval_requested" in str(heard.events), "it is told")
        told = [one for one in heard.events if one["type"] == "step.approval_requested"]
        assert [one["data"]["stepId"] for one in told] == [asked["stepId"]]
        [(_, message)] = await hook.told(1)
        assert message["type"] == "step.approval_requested"
        assert message["data"]["stepId"] == asked["stepId"]
        assert float(message["data"]["amount"]) == 0.3
        assert (await buyer.call(dear, 1, key="buy-1")).status_code == 409
        assert (await alice.get("/api/wallet"))["held"] == 0
        assert await alice.statuses(asked["taskId"]) == ["pending"]
        # Not the credential itself, no other account, and nobody who has limits.
        assert (await decide(buyer, asked["stepId"], "approve")).status_code == 403
        assert (await decide(bob, asked["stepId"], "approve")).status_code == 404
        assert (await bob.get("/api/approvals")) == []
        assert (await decide(alice, "nothing", "approve")).status_code == 404
        assert does.calls == []
        approved = await decide(alice, asked["stepId"], "approve", 1)
        assert approved.json()["state"] == "approved", approved.text
        assert (await decide(alice, asked["stepId"], "approve")).json() == approved.json()
        assert (await decide(alice, asked["stepId"], "reject")).status_code == 409
        said = await answered(buyer, dear, "buy-1")
        assert said.json()["cost"] == 0.3, said.text
        assert len(does.calls) == 1
        tries = "SELECT attempts FROM task.steps WHERE id = $1"
        (step,) = await market.system.rows(tries, asked["stepId"])
        assert step["attempts"] == 1  # To look whether somebody has decided is no try.
        await until(
            lambda: any(one["type"] == "step.approval_decided" for one in heard.events), "the word"
        )
    assert (await alice.wallet())["available"] == 99.5
    assert (await buyer.get("/api/session"))["spent"] == 0.5


async def test_a_rejected_step_costs_nothing(market: Marketplace, alice: Person) -> None:
    buyer, _ = await session(market, alice, limit=5, approveAbove=0)
    async with market.agent(answers(cost="0.3"), price="0.3") as (agent, does):
        assert (await buyer.call(agent, key="no-1")).status_code == 409
        (asked,) = await waiting(alice)
        assert (await decide(alice, asked["stepId"], "reject")).json()["state"] == "rejected"
        said = await answered(buyer, agent, "no-1")
        assert (said.status_code, said.json()["error"]) == (402, "A person rejected this call.")
        assert does.calls == []
    assert (await alice.wallet())["available"] == 100
    assert await alice.statuses(asked["taskId"]) == ["failed"]


async def test_nobody_approves_what_was_cancelled_or_is_late(
    market: Marketplace, alice: Person
) -> None:
    buyer, _ = await session(market, alice, limit=5, approveAbove=0)
    async with market.agent(answers(cost="0.3"), price="0.3") as (agent, does):
        await asyncio.gather(buyer.call(agent, key="late-1"), buyer.call(agent, key="late-2"))
        one, two = await waiting(alice, 2)
        assert (await alice.first.post(f"/api/tasks/{one['taskId']}/cancel")).status_code == 200
        await waiting(alice, 1)
        late = await decide(alice, one["stepId"], "approve")
        assert (late.status_code, late.json()["error"]) == (409, "This step has ended.")
        await market.system.rows(
            "UPDATE payment.approvals SET expires_at = now() WHERE step_id = $1", two["stepId"]
        )
        late = await decide(alice, two["stepId"], "approve")
        assert late.status_code == 409

        async def failed() -> bool:
            return await alice.statuses(two["taskId"]) == ["failed"]

        assert await eventually(failed)
        (step,) = await alice.get(f"/api/tasks/{two['taskId']}/steps")
        assert step["error"] == "Nobody approved this call in time."
        states = {each["stepId"]: each["state"] for each in await alice.get("/api/approvals")}
        assert states == {one["stepId"]: "over", two["stepId"]: "expired"}
        assert does.calls == []
    assert (await alice.wallet())["available"] == 100


async def test_what_was_approved_is_good_for_no_more(market: Marketplace, alice: Person) -> None:
    """The price rose while the step waited: the person is asked anew, for what it is now."""
    buyer, _ = await session(market, alice, limit=5, approveAbove=0)
    async with market.agent(answers(cost="0.5"), price="0.3") as (agent, does):
        assert (await buyer.call(agent, key="more-1")).status_code == 409
        (asked,) = await waiting(alice)
        await market.system.rows(
            "UPDATE payment.approvals SET state = 'approved', amount = 0.1 WHERE step_id = $1",
            asked["stepId"],
        )
        (again,) = await waiting(alice)
        assert (again["stepId"], again["amount"]) == (asked["stepId"], 0.3)
        assert does.calls == []
        await decide(alice, asked["stepId"], "approve")
        assert (await answered(buyer, agent, "more-1")).json()["cost"] == 0.3
    assert (await alice.wallet())["available"] == 99.7


async def test_a_turn_of_hubchat_waits_too(market: Marketplace, alice: Person) -> None:
    """The key that asked has a threshold; the flow of who has none is as it was."""
    admin = await market.client(
        market.urls[0], await make_key(market.stack.nats_url, "root", "--scopes", "admin,read")
    )
    body = {"account": alice.account, "scopes": ["read", "write"], "approveAbove": 0.05}
    made = (await admin.post("/api/keys", json=body)).json()
    clients = [await market.client(url, made["token"]) for url in market.urls]
    limited = Person(alice.account, *clients)
    skill = f"vqapprove{made['id'][:6]}"
    async with market.agent(answers("A poem.", cost="0.1"), skills=[skill]) as (_agent, does):
        saying = asyncio.create_task(limited.say(f"Please {skill}: the sea"))
        (asked,) = await waiting(alice)
        assert asked["turnId"]
        assert does.calls == []
        assert (await decide(limited, asked["stepId"], "approve")).status_code == 403
        await decide(alice, asked["stepId"], "approve")
        said = await saying
        assert "A poem." in said["message"]["content"]
        assert len(does.calls) == 1
    assert (await alice.wallet())["available"] < 100
