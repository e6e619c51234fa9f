"""Requests about payments by machines; without a configuration they are refused in words."""

from datetime import UTC, datetime
from typing import Protocol

from chassis.handling.injection import Reading
from contracts.envelope import Envelope
from contracts.errors import Conflict, PaymentRequired
from contracts.machine import (
    AgentPayment,
    MachineOffer,
    MachinePaid,
    OfferMachinePayment,
    PayAgent,
    TakeMachinePayment,
)
from payment_svc.domain import CLOSED, wallet_of
from payment_svc.ledger import store as store_ledger

OFF = "Machine payments are not taken here."
NO_PAYER = "The agent wants to be paid by x402, and nobody is configured who pays it."


class Taking(Protocol):
    """How machines pay (`wiring`); named here, so that who has nothing of it imports nothing."""

    def offer(self, request: OfferMachinePayment, now: datetime) -> MachineOffer:
        """The headers that ask for so many BazaarBucks."""

    async def take(self, request: TakeMachinePayment, here: Envelope, now: datetime) -> MachinePaid:
        """Settle what a header has, and credit it."""


class Paying(Protocol):
    """How agents are paid (`sending`)."""

    async def pay(self, request: PayAgent, here: Envelope) -> AgentPayment:
        """Sign a payment to an agent."""


async def offer(
    request: OfferMachinePayment, tx: Reading, here: Envelope, taking: Taking | None
) -> MachineOffer:
    """How what lacks is paid.

    Raises:
        Conflict: machines pay nothing here, or the account is closed.
    """
    if taking is None:
        raise Conflict(OFF)
    if await store_ledger.is_closed(tx.conn, wallet_of(here.account)):
        raise Conflict(CLOSED)
    return taking.offer(request, datetime.now(UTC))


async def take(request: TakeMachinePayment, here: Envelope, taking: Taking | None) -> MachinePaid:
    """Settle a payment and credit it, once.

    Raises:
        Conflict: machines pay nothing here.
        Busy, Unavailable: it is not known yet whether it is settled.
    """
    if taking is None:
        raise Conflict(OFF)
    return await taking.take(request, here, datetime.now(UTC))


async def pay_agent(request: PayAgent, here: Envelope, paying: Paying | None) -> AgentPayment:
    """Sign a payment to an agent.

    Raises:
        PaymentRequired: there is no payer, or the agent wants what is not paid.
        Conflict: it is not known what became of an earlier payment.
        NotFound: there is no open hold.
    """
    if paying is None:
        raise PaymentRequired(NO_PAYER)
    return await paying.pay(request, here)
