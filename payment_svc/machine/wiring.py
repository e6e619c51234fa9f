"""Machine payments as they are configured; importing this imports the libraries."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlsplit

from mpp import Receipt
from pydantic import SecretStr

from chassis.db.database import Database
from chassis.outbound import Outbound
from contracts.envelope import Envelope
from contracts.machine import MachineOffer, MachinePaid, OfferMachinePayment, TakeMachinePayment
from payment_svc.machine.chain import Chain
from payment_svc.machine.facilitator import Facilitator
from payment_svc.machine.offering import headers_of
from payment_svc.machine.receiving import Receiving, receipt_of
from payment_svc.machine.sending import Sending, payer_of
from payment_svc.machine.signed import Refused, Shop
from payment_svc.machine.terms import address, token_of
from payment_svc.settings import Settings

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Taking:
    """How machines pay: what requests about it come to."""

    receiving: Receiving

    def offer(self, request: OfferMachinePayment, now: datetime) -> MachineOffer:
        """The headers that ask for so many BazaarBucks."""
        shop = self.receiving.shop
        units = shop.token.units_for(request.amount)
        return MachineOffer(headers=headers_of(shop, units, request.resource, now, request.error))

    async def take(self, request: TakeMachinePayment, here: Envelope, now: datetime) -> MachinePaid:
        """Settle what a header has, and credit it; the same as `desk.take`."""
        shop, signed = self.receiving.shop, None
        try:
            if request.signature is not None:
                signed = shop.from_x402(request.signature, now)
            else:
                signed = shop.from_mpp(request.credential or "", now)
            row = await self.receiving.take(signed, here)
        except Refused as refused:
            why, headers = str(refused), {}
            if signed is not None:
                headers = headers_of(shop, signed.units, request.resource, now, why)
            return MachinePaid(credited=ZERO, headers=headers, refused=why)
        headers = {"PAYMENT-RESPONSE": receipt_of(row)}
        if row.protocol == "mpp":
            receipt = Receipt.success(row.transaction, now, "evm")
            headers = {"Payment-Receipt": receipt.to_payment_receipt()}
        return MachinePaid(credited=row.amount, headers=headers)


@dataclass(frozen=True, slots=True)
class Machine:
    """What is configured: taking payments, paying agents, or both."""

    taking: Taking | None
    paying: Sending | None
    close: Callable[[], Awaitable[None]]


def machine_of(settings: Settings, db: Database) -> Machine:
    """Machine payments as the settings have them.

    Raises:
        BadTerms: they cannot be so; the message names what is wrong.
    """
    urls = [settings.machine_facilitator, settings.machine_node]
    http = Outbound([host for url in urls if url and (host := urlsplit(url).hostname)])
    token = token_of(settings.machine_network, settings.machine_asset, settings.machine_rate)
    chain = Chain(http, settings.machine_node) if settings.machine_node else None
    taking = paying = None
    if settings.machine_payee:
        payee = address(settings.machine_payee, "MACHINE_PAYEE")
        shop = Shop(token, payee, _said(settings.machine_secret), settings.machine_realm)
        facilitator = Facilitator(http, settings.machine_facilitator)
        taking = Taking(Receiving(db, shop, facilitator, chain, again_s=settings.card_retry_s))
    if key := _said(settings.machine_payer_key):
        paying = Sending(db, token, payer_of(key), chain, settings.machine_at_risk)
    return Machine(taking, paying, http.aclose)


def _said(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
