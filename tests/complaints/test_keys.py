"""Requests that are sent again: done and paid once, whoever was asked and whatever died."""

import asyncio
from collections import Counter

import httpx

from tests.complaints.system import Marketplace, Person
from tests.gateway.test_gateway_process import process
from tests.support.gateways import ID_SECRET
from tests.support.polling import eventually
from tests.support.scripted_agent import answers, waits_for

RUNNING = httpx.codes.CONFLICT


async def test_one_key_at_two_gateways_was_served_twice(market: Marketplace, alice: Person) -> None:
    """nevermined-io/payments#417, wevm/mppx#628: one credential paid for many servings."""
    async with market.agent(answers(cost="0.3"), price="0.3") as (agent, does):
        sent = await asyncio.gather(*(alice.call(agent, n, key="order-1") for n in range(20)))
        again = await alice.call(agent, 1, key="order-1")

    assert set(Counter(one.status_code for one in sent)) <= {httpx.codes.OK, RUNNING}
    assert again.headers["idempotency-replayed"] == "true"
    assert len({one.json()["stepId"] for one in (again, *sent) if one.is_success}) == 1
    assert len(does.calls) == 1
    assert (await alice.wallet())["posted"] == 99.7


async def test_a_key_was_good_for_another_request(
    market: Marketplace, alice: Person, bob: Person
) -> None:
    """nevermined-io/payments#417: another body is refused, another account is another request."""
    async with market.agent(answers(cost="0.3"), price="0.3") as (agent, does):
        first = await alice.call(agent, 0, key="order-1")
        other = await alice.call(agent, 1, key="order-1", payload={"text": "something else"})
        foreign = await bob.call(agent, 1, key="order-1")

    assert (first.status_code, other.status_code, foreign.status_code) == (200, 422, 200)
    assert first.json()["stepId"] != foreign.json()["stepId"]
    assert len(does.calls) == 2
    assert [(await one.wallet())["posted"] for one in (alice, bob)] == [99.7, 99.7]


async def test_a_retry_after_a_lost_answer_made_a_second_task(
    market: Marketplace, alice: Person
) -> None:
    """a2aproject/A2A#928, a2aproject/A2A#1893: the gateway died with the answer in its hands."""
    gate = asyncio.Event()
    bus = market.stack.nats_url
    mine = {"Idempotency-Key": "order-1", "authorization": alice.first.headers["authorization"]}
    async with (
        market.agent(waits_for(gate, answers(cost="0.3")), price="0.3") as (agent, does),
        process(NATS_URL=bus, ID_SECRET=ID_SECRET, AUTH_MODE="token") as dying,
    ):
        body = {"agentId": agent, "payload": {"text": "hello"}}
        lost = asyncio.create_task(dying.http.post("/api/invoke-agent", json=body, headers=mine))
        await does.called()
        dying.service.kill()
        await asyncio.wait({lost})
        assert isinstance(lost.exception(), httpx.TransportError)
        gate.set()

        async def answered() -> httpx.Response | None:
            answer = await alice.first.post("/api/invoke-agent", json=body, headers=mine)
            return None if answer.status_code == RUNNING else answer

        answer = await eventually(answered)

    assert answer is not None
    assert answer.status_code == httpx.codes.OK, answer.text
    [task] = await alice.get("/api/tasks")
    assert answer.json()["taskId"] == task["id"]
    assert len(does.calls) == 1
    assert (await alice.wallet())["posted"] == 99.7


async def test_what_one_account_had_named_was_blocked_for_all(
    market: Marketplace, alice: Person, bob: Person
) -> None:
    """Ids that callers choose were unique over all: who took one first blocked it for others."""
    async with market.agent() as (agent, _):
        both = []
        for person in (alice, bob):
            made = await person.first.post("/api/tasks", json={"userQuery": "x", "maxBudget": 5})
            pay = {"taskId": made.json()["id"], "agentId": agent, "amount": 1, "paymentId": "same"}
            both += [
                (person.at(number), "/api/payments/bazaarbucks", pay) for number in range(2)
            ] + [
                (person.at(number), "/api/payments/checkout", {"amount": 5, "paymentId": "page"})
                for number in range(2)
            ]
        answers_ = await asyncio.gather(*(at.post(path, json=body) for at, path, body in both))

        assert [one.status_code for one in answers_] == [httpx.codes.OK] * len(both)
        pages = {one.json()["url"] for one in answers_ if "url" in one.json()}
        assert len(pages) == 2
        refund = "/api/payments/bazaarbucks/same/refund"
        again = {"amount": 0.5, "refundId": "mine"}
        refunded = [await person.second.post(refund, json=again) for person in (alice, bob)]

    assert [one.status_code for one in refunded] == [200, 200]
    assert [(await one.wallet())["posted"] for one in (alice, bob)] == [99.5, 99.5]
