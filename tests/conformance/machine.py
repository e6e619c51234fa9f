"""The kits of x402: `x402-conformance` against our 402, `hostile-facilitator` against our asking.

The first asks a GET, and what is paid here is a POST: a page between them passes the answer on.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis.bus.envelopes import origin
from contracts.errors import Busy, Unavailable
from contracts.machine import OfferMachinePayment, TakeMachinePayment
from payment_svc.machine.wiring import machine_of
from payment_svc.settings import Settings
from tests.conformance.kits import python_with, run
from tests.machine.system import PAYEE, Market, market
from tests.support.stack import new_stack
from tests.task.uvicorn_server import serving

CONFORMANCE, HOSTILE = "x402-conformance==1.6.0", "hostile-facilitator==0.2.2"
KNOWN = Path(__file__).parent / "machine.yml"
"""Modes of the second that prove nothing, and why; the list may only shrink."""
PASSED_ON = ("payment-required", "www-authenticate", "content-type", "cache-control")
TIMES, PAUSE_S = 2, 3.0
"""How often a payment is sent; in between it can be asked for again."""


def page(url: str, agent_id: str) -> Starlette:
    """What a GET is answered: a call of the agent that nobody has paid for."""

    async def get(_request: Request) -> Response:
        body: dict[str, Any] = {"agentId": agent_id, "payload": {"text": "hi"}}
        async with httpx.AsyncClient(timeout=60) as http:
            said = await http.post(f"{url}/api/invoke-agent", json=body)
        headers = {name: said.headers[name] for name in PASSED_ON if name in said.headers}
        return Response(said.content, said.status_code, headers)

    return Starlette(routes=[Route("/", get)])


async def kits(folder: Path) -> dict[str, bool]:
    """Try both; what came of each."""
    bin_ = await python_with(folder / "x402", CONFORMANCE, HOSTILE)
    if bin_ is None:
        return {CONFORMANCE: False, HOSTILE: False}
    async with new_stack() as stack, market(stack) as shop:
        async with (
            shop.system.agent(price="5") as (agent_id, _),
            serving(page(shop.served.url, agent_id)) as url,
        ):
            paid = await run(bin_ / "x402conf", "resource", "--fail-on-error", url)
        return {CONFORMANCE: paid, HOSTILE: await hostile(folder, bin_, shop)}


def purchases(shop: Market, account: str) -> Starlette:
    """What a GET does: one payment is taken, settled by the facilitator that it names.

    What is not known yet is asked again, with the same payment.
    """

    async def get(request: Request) -> Response:
        settings = Settings.model_validate(
            {
                "database_url": shop.system.stack.database_url("payment"),
                "machine_payee": PAYEE,
                "machine_facilitator": request.query_params["facilitator"],
            }
        )
        machine = machine_of(settings, shop.system.payment.database)
        assert machine.taking is not None
        offer = OfferMachinePayment(amount=settings.machine_rate, resource="http://market/")
        asked = machine.taking.offer(offer, datetime.now(UTC)).headers
        order = TakeMachinePayment(signature=shop.buyer().sign(asked["PAYMENT-REQUIRED"]))
        here = origin("test", "purchase", account)
        for _ in range(TIMES):
            try:
                await machine.taking.take(order, here, datetime.now(UTC))
            except (Busy, Unavailable):
                await asyncio.sleep(PAUSE_S)
        await machine.close()
        return Response()

    return Starlette(routes=[Route("/", get)])


async def hostile(folder: Path, bin_: Path, shop: Market) -> bool:
    """Whether each mode ends in one payment, but for those that are known to prove nothing."""
    account = await shop.system.account("0")
    seen = folder / "hostile.json"
    async with serving(purchases(shop, account)) as url:
        purchase = (sys.executable, "-m", "tests.conformance.purchase", url)
        await run(bin_ / "hostile-facilitator", "test", "--json", seen, "--", *purchase)
    rows = json.loads(seen.read_text())["results"]
    known = yaml.safe_load(KNOWN.read_text())["not_exercised"]
    verdicts = {row["mode"]: row.get("verdict") for row in rows}
    left = sorted(mode for mode, verdict in verdicts.items() if verdict != "pass")
    await shop.right()
    return left == sorted(known) and all(verdicts[mode] == "not_exercised" for mode in left)
