"""Registry, task and payment service with machine payments, a gateway, and the doubles."""

import base64
import contextlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx
import uvicorn
from eth_account import Account
from starlette.types import ASGIApp
from x402 import x402Client, x402ClientSync
from x402.http.clients.httpx import x402AsyncTransport
from x402.http.utils import decode_payment_required_header, encode_payment_signature_header
from x402.mechanisms.evm.exact.register import register_exact_evm_client
from x402.schemas import PaymentRequired

from chassis.bus.envelopes import new_id
from contracts.ledger import CHECK_LEDGER, GET_WALLET
from contracts.machine import OFFER_MACHINE_PAYMENT, TAKE_MACHINE_PAYMENT, MachinePaid
from contracts.registry import REGISTER_AGENT
from payment_svc.ledger.wallets import open_wallet
from tests.doubles.machine.facilitator import Facilitator
from tests.doubles.machine.seller import Seller
from tests.support.gateways import Served, gateway_settings, serving, until_answered
from tests.support.services import payment_service, registry_service, task_service
from tests.support.stack import Stack, running
from tests.support.system import System, listening
from tests.task.uvicorn_server import serving as serving_app

PAYEE = "0x" + "33" * 20
SECRET = "of the challenges of these tests"
WEBHOOK_KEY = "of the receivers of these tests"
PAYER = Account.create()
"""Who pays agents; made up for this run."""
NOTHING = Decimal(0)
CALL = {"payload": {"text": "hi"}}


def told(header: str) -> Any:
    """What a header of x402 says."""
    return json.loads(base64.b64decode(header))


async def dear(shop: "Market") -> Decimal:
    """A price that the wallet of the gateway's account does not cover."""
    return await shop.available(shop.account) + Decimal("0.4")


@dataclass
class Buyer:
    """A machine with money on the network; its key is made up."""

    key: Any = field(default_factory=Account.create)

    def sign(self, header: str) -> str:
        """The header that pays what a 402 asks for."""
        client = x402ClientSync()
        register_exact_evm_client(client, self.key)
        asked = decode_payment_required_header(header)
        assert isinstance(asked, PaymentRequired)
        return encode_payment_signature_header(client.create_payment_payload(asked))

    def transport(self) -> x402AsyncTransport:
        """The library's transport, which pays by itself."""
        client = x402Client()
        register_exact_evm_client(client, self.key)
        return x402AsyncTransport(client)


@dataclass
class Market:
    """All of it."""

    system: System
    facilitator: Facilitator
    facilitator_url: str
    served: Served
    account: str

    def buyer(self, units: int = 10_000_000) -> Buyer:
        """A machine with so much of the token."""
        buyer = Buyer()
        self.facilitator.fund(buyer.key.address, units)
        return buyer

    async def offer(self, account: str, amount: str) -> dict[str, str]:
        asked = {"amount": amount, "resource": "http://market/api/invoke-agent"}
        return (await self.system.ask(OFFER_MACHINE_PAYMENT, account, **asked)).headers

    async def signed(self, account: str, amount: str, buyer: Buyer) -> str:
        return buyer.sign((await self.offer(account, amount))["PAYMENT-REQUIRED"])

    async def take(self, account: str, header: str) -> MachinePaid:
        return await self.system.ask(TAKE_MACHINE_PAYMENT, account, signature=header)

    async def available(self, account: str) -> Decimal:
        return (await self.system.ask(GET_WALLET, account)).available

    async def right(self) -> None:
        """All of the books add up, by every rule."""
        found = await self.system.ask(CHECK_LEDGER, "demo", full=True)
        assert [one for one in found.findings if one.broken] == []

    @contextlib.asynccontextmanager
    async def seller(
        self, *prices: str, price: str = "1", says_so: bool = True
    ) -> AsyncIterator[tuple[str, Seller]]:
        """A listed agent that answers 402, and its id; `price` is that of its listing."""
        seller = Seller(self.facilitator_url, *prices)
        async with serving_app(seller.app) as url:
            agent_id = f"paid-{new_id()[:12]}"
            await self.system.ask(
                REGISTER_AGENT,
                "demo",
                id=agent_id,
                endpoint_url=url,
                name=f"Agent {agent_id}",
                description="Works for who pays.",
                skills=["general"],
                capabilities=["x402"] if says_so else [],
                base_price=price,
            )
            yield agent_id, seller

    def http(self, **more: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.served.url, timeout=60, **more)


@contextlib.contextmanager
def elsewhere(app: ASGIApp) -> Iterator[str]:
    """Serve an app in a thread; its origin.

    The library's server asks its facilitator for what it supports, and holds up its own loop.
    """
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running_ = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        running_.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            running_.join()


@contextlib.asynccontextmanager
async def market(stack: Stack) -> AsyncIterator[Market]:
    facilitator = Facilitator()
    facilitator.fund(PAYER.address, 100_000_000)
    account = f"machine-{new_id()[:10]}"
    async with contextlib.AsyncExitStack() as open_:
        url = open_.enter_context(elsewhere(facilitator.app()))
        payment = payment_service(
            stack,
            # Earlier tests left holds on these servers whose steps nobody knows.
            reconcile_s=3_600,
            machine_payee=PAYEE,
            machine_facilitator=url,
            machine_node=f"{url}/node",
            machine_secret=SECRET,
            machine_payer_key=PAYER.key.hex(),
            webhook_key=WEBHOOK_KEY,
            webhook_hosts="127.0.0.1",
            card_poll_s=0.3,
            card_retry_s=0.1,
        )
        services = registry_service(stack), payment, task_service(stack)
        await open_.enter_async_context(running(*services))
        system = await open_.enter_async_context(listening(stack, payment))
        await open_wallet(payment.database, account, Decimal("0.01"))
        settings = gateway_settings(stack.nats_url, machine_payments=True, default_account=account)
        served = open_.enter_context(serving(settings))
        found = Market(system, facilitator, url, served, account)
        async with found.http() as http:
            await until_answered(http, "/ready", 200)
        yield found
