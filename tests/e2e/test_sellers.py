"""Strangers' agents, each a process of its own: listed, found, called, paid, rated, delisted.

The agent of twenty lines is that of docs/sellers.md.
"""

import asyncio
import json
import re
import sys
import uuid
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.ports import free_port
from deploy.local.settings import PROJECT
from tests.e2e import books
from tests.e2e.market import LOOPBACK, new_skill
from tests.e2e.system import MODE, System
from tests.support.polling import insist

pytestmark = pytest.mark.skipif(MODE == "given", reason="who runs it says how soon it pays out")
SELLERS = Path(__file__).with_name("sellers")
PRICE = 0.07
INITIAL = 4.5
"""Stars of an agent that nobody has rated."""


@pytest.fixture
async def sellers(tmp_path: Path, system: System) -> AsyncIterator[dict[str, str]]:
    """The address of each agent, by the skill that no other has."""
    host = system.agent_host
    listen = LOOPBACK if host == LOOPBACK else "0.0.0.0"  # noqa: S104  (asked from a container)
    haiku, ode, cry = map(new_skill, ("haiku", "ode", "cry"))
    ports = [free_port() for _ in range(3)]
    page = (PROJECT / "docs" / "sellers.md").read_text()
    [program] = re.findall(r"```python\n(# haiku\.py.*?)```", page, re.DOTALL)
    small = tmp_path / "haiku.py"
    named = program.replace('"haiku"', f'"{haiku}"').replace('"Haiku"', f'"{haiku}"')
    small.write_text(named.replace("9100", str(ports[0])).replace(LOOPBACK, listen))
    commands = [
        [str(small)],
        [str(SELLERS / "poet.py"), listen, host, str(ports[1]), ode],
        [str(SELLERS / "crier.py"), listen, str(ports[2]), cry],
    ]
    async with AsyncExitStack() as running:
        for command in commands:
            process = await asyncio.create_subprocess_exec(sys.executable, *command)
            running.push_async_callback(process.wait)
            running.callback(process.kill)
        yield {
            haiku: f"http://{host}:{ports[0]}",
            ode: f"http://{host}:{ports[1]}",
            cry: f"http://{host}:{ports[2]}/mcp",
        }


@pytest.fixture
async def buyer(http: httpx.AsyncClient, system: System) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody else, with five BazaarBucks."""
    body = {"account": f"buyer-{uuid.uuid4().hex[:8]}", "scopes": ["read", "write"]}
    made = await http.post("/api/keys", json=body)
    assert made.status_code == httpx.codes.OK, made.text
    async with system.client() as client:
        client.headers["Authorization"] = f"Bearer {made.json()['token']}"
        paid = await client.post("/api/payments/checkout", json={"amount": 5})
        assert paid.status_code == httpx.codes.OK, paid.text
        yield client


async def listed(http: httpx.AsyncClient, system: System, skill: str, url: str) -> dict[str, Any]:
    """The listing that one command makes, once its process listens and its probe was answered."""
    await insist(partial(listens, url))
    said = ["agents", "import", url, "--id", skill, "--price", str(PRICE)]
    bazaar = [sys.executable, "-m", "cli", "--json", "--url", system.base_url, *said]
    command = await asyncio.create_subprocess_exec(*bazaar, stdout=PIPE, cwd=PROJECT)
    out, _ = await command.communicate()
    assert command.returncode == 0
    one: dict[str, Any]
    [one] = json.loads(out)

    async def available() -> bool:
        found: dict[str, Any] = await books.get(http, f"/api/agents/{one['id']}")
        return bool(found["availability"])

    await insist(available)
    return one


async def listens(url: str) -> bool:
    """Whether somebody does at this address of a test's agent, which runs on this machine."""
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, httpx.URL(url).port)
    except OSError:
        return False
    writer.close()
    return True


async def test_from_three_listings_to_their_payout(
    http: httpx.AsyncClient, buyer: httpx.AsyncClient, system: System, sellers: dict[str, str]
) -> None:
    agents = {skill: await listed(http, system, skill, url) for skill, url in sellers.items()}
    protocols = [agent["protocol"] for agent in agents.values()]
    assert protocols == ["native", "a2a", "mcp"]

    results: list[str] = []
    for skill, agent in agents.items():
        [found] = await books.get(buyer, "/api/agents", q=skill)
        assert found["id"] == agent["id"]
        body = {"skill": found["skills"][0], "payload": {"text": "sea", "topic": "sea"}}
        if agent["protocol"] == "mcp":
            body["payload"] = {"text": "sea"}
        called = await buyer.post("/api/invoke-agent", json=body)
        assert called.status_code == httpx.codes.OK, called.text
        done = called.json()
        assert (done["agentId"], done["cost"]) == (agent["id"], PRICE)
        assert done["chosen"]["candidates"][0]["agentId"] == agent["id"]
        results.append(done["result"])
        rated = await buyer.post(f"/api/tasks/{done['taskId']}/rating", json={"stars": 5})
        assert rated.status_code == httpx.codes.OK, rated.text
    assert results[0].startswith("sea: an old pond")
    assert results[1:] == ["O sea, that I might sing of thee!", "SEA"]

    first = next(iter(agents))
    said = await buyer.post("/api/hubchat/message", json={"content": f"{first} about autumn"})
    assert said.json()["message"]["costBreakdown"]["total"] == PRICE, said.text

    async def earned() -> bool:
        lines = await books.get(http, "/api/seller/earnings", limit=500)
        by = {line["agentId"]: (line["jobs"], line["earned"]) for line in lines}
        wanted = {agent["id"]: (1, PRICE) for agent in agents.values()}
        wanted[agents[first]["id"]] = (2, 2 * PRICE)
        return wanted.items() <= by.items()

    await insist(earned)

    async def known() -> bool:
        shown = [await books.get(http, f"/api/agents/{one['id']}") for one in agents.values()]
        return all(one["uniqueBuyers"] == 1 and one["rating"] > INITIAL for one in shown)

    await insist(known)

    async def paid_out() -> dict[str, Any]:
        answer = await http.post("/api/seller/payouts", json={})
        assert answer.status_code == httpx.codes.OK, answer.text
        found: dict[str, Any] = answer.json()
        return found

    payout = await insist(paid_out)

    async def paid() -> bool:
        payouts = await books.get(http, "/api/seller/payouts")
        return ("paid", payout["id"]) in [(one["status"], one["id"]) for one in payouts]

    await insist(paid)
    for agent in agents.values():
        path = f"/api/agents/{agent['id']}"
        assert (await http.delete(path)).json()["state"] == "retired"
        refused = await http.post(
            "/api/invoke-agent", json={"agentId": agent["id"], "payload": {"text": "x"}}
        )
        assert refused.status_code == httpx.codes.CONFLICT, refused.text
        assert await books.get(http, "/api/agents", q=agent["name"]) == []
        assert (await books.get(buyer, path))["name"] == agent["name"]
    await are_remembered(buyer, {agent["id"] for agent in agents.values()})


async def are_remembered(buyer: httpx.AsyncClient, gone: set[str]) -> None:
    """Whether receipts and payments still name agents that have left the market."""
    tasks = [task["id"] for task in await books.get(buyer, "/api/tasks", limit=500)]
    receipts = [await books.get(buyer, f"/api/tasks/{id_}/receipt") for id_ in tasks]
    assert gone <= {line["agentId"] for receipt in receipts for line in receipt["lines"]}
    payments = await books.get(buyer, "/api/payments/bazaarbucks", limit=500)
    assert gone <= {payment["agentId"] for payment in payments}
