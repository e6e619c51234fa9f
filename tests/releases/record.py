"""Records one real message of every kind from a running system.

`python -m tests.releases.record GATEWAY_URL NATS_URL FOLDER` asks the system for all it can do,
listens to the bus meanwhile, and writes `FOLDER/messages.json`. Run once per release, against that
release; what it wrote is never written again. What is about cards is only sent with a card rail:
give `record` a `use` of your own that pays at a stand-in for Stripe too.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts.registry import LIST_AGENTS, REGISTER_AGENT

WISHES = (
    "Translate 'hello' to Spanish",
    "Search for solar energy and summarize it",
    "Ask the busy agent to do something",
    "What agents are available?",
)
LONG = "A sentence that is worth a summary. " * 100
NOBODY = "http://127.0.0.1:9"
SETTLE_S = 8.0
"""A system that answered may still be publishing."""


class Tape:
    """What went over the bus: the last message of each kind, requests with their replies."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self._asked: dict[str, str] = {}

    async def hear(self, message: Msg) -> None:
        """Keep a message, if it is one of the marketplace's."""
        headers = dict(message.headers or {})
        if message.subject.startswith("bazaar.rpc."):
            _, _, context, verb = message.subject.split(".")
            self._asked[message.reply] = f"replies/{context}.{verb}.v1"
            self._keep(f"requests/{context}.{verb}.v1", message, headers)
        elif message.subject.startswith(("bazaar.evt.", "bazaar.cmd.")):
            kind = "events" if message.subject.startswith("bazaar.evt.") else "commands"
            self._keep(f"{kind}/{headers['ce-type']}", message, headers)
        elif message.subject in self._asked and "Nats-Service-Error-Code" not in headers:
            self._keep(self._asked[message.subject], message, headers)

    def _keep(self, kind: str, message: Msg, headers: dict[str, str]) -> None:
        subject = message.subject if not kind.startswith("replies/") else ""
        body = json.loads(message.data or b"{}")
        # The longest tells most: optional fields are in it.
        known = self.kept.get(kind)
        if known is None or len(json.dumps(body)) > len(json.dumps(known["body"])):
            self.kept[kind] = {"subject": subject, "headers": headers, "body": body}


async def _use(http: httpx.AsyncClient, bus: Client) -> None:
    """Ask for everything once; what is refused is recorded too, as a request."""
    for wish in WISHES:
        await http.post("/api/hubchat/message", json={"content": wish, "maxBudget": 2})
    made = (await http.post("/api/tasks", json={"userQuery": "by hand", "maxBudget": 3})).json()
    call = {"agentId": "search", "taskId": made["id"], "payload": {"query": "rain"}}
    await http.post("/api/invoke-agent", json=call)
    poor = (await http.post("/api/tasks", json={"userQuery": "poor", "maxBudget": 0.01})).json()
    call = {"agentId": "search", "taskId": poor["id"], "payload": {"query": "rain"}}
    await http.post("/api/invoke-agent", json=call)
    paid = {"taskId": made["id"], "agentId": "summarizer", "amount": 0.25}
    entered = (await http.post("/api/payments/bazaarbucks", json=paid)).json()
    await http.post(f"/api/payments/bazaarbucks/{entered['id']}/refund", json={"amount": 0.1})
    await http.post("/api/payments/checkout", json={"amount": 5})
    cards = (await http.get("/api/payments/stripe")).json()
    if cards:
        await http.post(f"/api/payments/stripe/{cards[0]['id']}/retry")
    for path in (
        "agents", "agents/search", "tasks", f"tasks/{made['id']}", f"tasks/{made['id']}/steps",
        f"tasks/{made['id']}/receipt", "messages", "payments/bazaarbucks", "wallet",
        "ledger?account=wallet", "ledger/check",
    ):  # fmt: skip
        await http.get(f"/api/{path}")
    await http.get("/health")
    listed = json.loads((await bus.request(LIST_AGENTS.subject, b"{}", timeout=5)).data)
    translator = next(one for one in listed["agents"] if one["id"] == "translator")
    for name in ("Recorded", "Recorded again"):
        await _list(bus, "recorded", name, translator["endpointUrl"], "0.02")
    await asyncio.sleep(SETTLE_S)  # It counts as available from its first probe on.
    await _list(bus, "recorded", "Gone", NOBODY, "0.02")
    # The cheapest translator is away: another one takes over, and what was held is free again.
    for _ in range(2):
        await http.post("/api/hubchat/message", json={"content": "Translate 'bread' to German"})
    made = (await http.post("/api/tasks", json={"userQuery": "tight", "maxBudget": 0.09})).json()
    call = {"agentId": "summarizer", "taskId": made["id"], "payload": {"text": LONG}}
    await http.post("/api/invoke-agent", json={**call, "maxPrice": 0.06})
    busy = {"agentId": "mock_busy", "payload": {"task": "anything"}}
    await asyncio.gather(*(http.post("/api/invoke-agent", json=busy) for _ in range(8)))


async def _list(bus: Client, id_: str, name: str, url: str, price: str) -> None:
    listing: dict[str, Any] = {"id": id_, "name": name, "endpointUrl": url, "basePrice": price}
    listing |= {"skills": ["translate"], "capabilities": [], "description": "Translates."}
    await bus.request(REGISTER_AGENT.subject, json.dumps(listing).encode(), timeout=15)


Use = Callable[[httpx.AsyncClient, Client], Awaitable[None]]


async def record(url: str, nats_url: str, folder: Path, use: Use = _use) -> int:
    """Use the system, write what was heard; the number of kinds that were recorded."""
    tape = Tape()
    bus = await nats.connect(nats_url)
    await bus.subscribe(">", cb=tape.hear)  # Replies go to the inbox of whoever asked.
    await bus.flush()
    async with httpx.AsyncClient(base_url=url, timeout=90) as http:
        await use(http, bus)
        await asyncio.sleep(SETTLE_S)
    await bus.close()
    await asyncio.to_thread(_write, folder, tape.kept)
    return len(tape.kept)


def _write(folder: Path, kept: dict[str, dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(kept, indent=1, ensure_ascii=False, sort_keys=True)
    (folder / "messages.json").write_text(text + "\n")


if __name__ == "__main__":
    count = asyncio.run(record(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
    sys.stdout.write(f"recorded {count} kinds of messages\n")
