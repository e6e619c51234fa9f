"""Two accounts in one system: neither sees nor touches anything of the other."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from tests.e2e.market import Market, new_skill
from tests.e2e.system import System
from tests.gateway.credentials import bearer, make_key
from tests.gateway.reading import reading
from tests.support.gateways import assert_problem, gateway_settings, serving, until_answered
from tests.support.polling import insist


@dataclass
class Accounts:
    """A gateway that asks for keys, in front of the same services, and two of its callers."""

    alice: httpx.AsyncClient
    bob: httpx.AsyncClient


@pytest.fixture
async def accounts(system: System) -> AsyncIterator[Accounts]:
    settings = gateway_settings(system.nats_url, auth_mode="token")
    with serving(settings) as served:
        async with served.client() as alice, served.client() as bob:
            alice.headers.update(bearer(await make_key(system.nats_url, "alice")))
            bob.headers.update(bearer(await make_key(system.nats_url, "bob", "--grant", "5")))
            await until_answered(alice, "/ready", 200)
            yield Accounts(alice, bob)


async def test_nothing_of_another_account_is_seen_or_touched(
    accounts: Accounts, market: Market
) -> None:
    alice, bob = accounts.alice, accounts.bob
    agent = await market.agent(new_skill("greeting"))
    call = {"agentId": agent.id, "payload": {"text": "hello"}}
    done = (await alice.post("/api/invoke-agent", json=call)).json()
    task = done["taskId"]
    said = await alice.post("/api/hubchat/message", json={"content": "What is this?"})
    assert said.status_code == 200

    async def paid() -> list[dict[str, str]]:
        found: list[dict[str, str]] = (await alice.get("/api/payments/bazaarbucks")).json()
        return found

    payment = (await insist(paid))[0]["id"]

    # Alice has it all.
    for path in (f"/api/tasks/{task}", f"/api/tasks/{task}/steps", f"/api/tasks/{task}/receipt"):
        assert (await alice.get(path)).status_code == 200, path

    # Bob has none of it, by any id that he could have learnt.
    for path in (
        f"/api/tasks/{task}",
        f"/api/tasks/{task}/steps",
        f"/api/tasks/{task}/receipt",
        f"/api/tasks/{task}/events",
        f"/api/hubchat/stream?taskId={task}",
    ):
        assert_problem(await bob.get(path), 404)
    by_hand = {"taskId": task, "agentId": agent.id, "amount": 0.1}
    for path, body in (
        ("/api/invoke-agent", {**call, "taskId": task}),
        ("/api/payments/bazaarbucks", by_hand),
        (f"/api/payments/bazaarbucks/{payment}/refund", {}),
        (f"/api/payments/stripe/{done['stepId']}/retry", {}),
    ):
        assert_problem(await bob.post(path, json=body), 404)
    for path in (
        "/api/tasks",
        "/api/messages",
        f"/api/messages?taskId={task}",
        "/api/payments/bazaarbucks",
        "/api/payments/stripe",
        "/api/ledger?account=agent:" + agent.id,
        "/api/ledger?account=wallet:alice",
    ):
        assert (await bob.get(path)).json() == [], path
    assert (await bob.get("/api/wallet")).json()["available"] == 5
    wallet = (await alice.get("/api/wallet")).json()
    assert wallet["account"] == "alice"
    assert 0 < wallet["available"] < wallet["posted"] + wallet["held"] + 1

    # And what Bob tried has changed nothing.
    assert (await alice.get(f"/api/tasks/{task}")).json()["totalCost"] == 0.1
    assert len((await alice.get(f"/api/tasks/{task}/steps")).json()) == 1

    async with reading(bob, "/api/events") as heard, reading(alice, "/api/events") as hers:
        assert (await alice.post("/api/invoke-agent", json=call)).status_code == 200
        await hers.until_heard(4)
        own = (await bob.post("/api/invoke-agent", json=call)).json()
        await heard.until_heard(4)
    foreign = {e["taskId"] for e in heard.events if e["taskId"]} - {own["taskId"]}
    assert not foreign
