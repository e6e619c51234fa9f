"""The facilitator: who settles what was signed, over HTTP, and is not believed more than needed."""

import re
from dataclasses import dataclass

import httpx
import structlog
from x402.http.facilitator_client import HTTPFacilitatorClient
from x402.http.facilitator_client_base import FacilitatorConfig
from x402.mechanisms.evm.constants import ERR_SETTLEMENT_PENDING
from x402.schemas import PaymentPayload

from chassis.outbound import Limits, Outbound
from chassis.protocols.bridge import Bridge
from chassis.protocols.httpx_transport import client as httpx_client

log = structlog.get_logger()

VERIFY_S, SETTLE_S = 5.0, 15.0
"""Seconds that it may take to look at a payment, and to settle it."""
MOST_BYTES = 65_536
TRANSACTION = re.compile(r"0x[0-9a-fA-F]{64}")
MOST_REASON = 100


class Away(Exception):
    """It does not answer, or not with an answer."""


@dataclass(frozen=True, slots=True)
class Settled:
    """It settled a payment, by a transaction of the network."""

    transaction: str


@dataclass(frozen=True, slots=True)
class Declined:
    """It says that it did not, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows whether it did."""

    why: str


class Facilitator:
    """The way to it."""

    def __init__(self, http: Outbound, url: str) -> None:
        """Ask at `url` through `http`."""
        self._http = http
        self._url = url

    async def verify(self, payment: PaymentPayload) -> str | None:
        """Why it would not settle a payment; None when it would.

        Raises:
            Away: it does not say.
        """
        async with self._client(VERIFY_S) as client:
            try:
                said = await self._asked(client).verify(payment, payment.accepted)
            except (httpx.HTTPError, ValueError, TypeError, RecursionError) as error:
                raise Away(_kind(error)) from None
        if said.is_valid:
            return None
        return _reason(said.invalid_reason)

    async def settle(self, payment: PaymentPayload) -> Settled | Declined | Unknown:
        """Have it settle a payment. What it says counts when it is about that payment."""
        async with self._client(SETTLE_S) as client:
            try:
                said = await self._asked(client).settle(payment, payment.accepted)
            except (httpx.HTTPError, ValueError, TypeError, RecursionError) as error:
                return Unknown(f"The facilitator gave no answer ({_kind(error)}).")
        asked = payment.accepted
        if not said.success:
            if said.error_reason == ERR_SETTLEMENT_PENDING:
                return Unknown("The facilitator is at it still.")
            return Declined(_reason(said.error_reason))
        payer = str(payment.payload["authorization"]["from"]).lower()
        whole = (
            TRANSACTION.fullmatch(said.transaction)
            and said.network == asked.network
            and said.amount in (None, asked.amount)
            and (said.payer is None or said.payer.lower() == payer)
        )
        if not whole:
            log.error("a facilitator tells of another payment than it was asked to settle")
            return Unknown("The facilitator tells of another payment.")
        return Settled(said.transaction.lower())

    def _client(self, within_s: float) -> httpx.AsyncClient:
        return httpx_client(Bridge(self._http, Limits(within_s, MOST_BYTES)))

    def _asked(self, client: httpx.AsyncClient) -> HTTPFacilitatorClient:
        return HTTPFacilitatorClient(FacilitatorConfig(url=self._url, http_client=client))


def _kind(error: Exception) -> str:
    """What kind of a failure it was: its own text may quote what came, or what was sent."""
    return type(error).__name__


def _reason(said: str | None) -> str:
    """A facilitator's reason as far as it is shown: its code, in letters."""
    return re.sub(r"[^A-Za-z0-9_ .-]", "", said or "")[:MOST_REASON] or "no reason given"
