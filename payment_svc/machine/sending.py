"""Payments to agents that answer 402: the cheapest offer within the hold, signed once per work.

Nobody can say of a signature that left whether it is taken; so for the same work the same one is
given, and another only when the first cannot be settled any more, or was not used.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import structlog
from eth_account import Account
from eth_account.signers.local import LocalAccount
from x402 import x402ClientSync
from x402.client_base import SpendControlAsset
from x402.http.utils import decode_payment_required_header, encode_payment_signature_header
from x402.mechanisms.evm.exact.register import register_exact_evm_client
from x402.mechanisms.evm.signers import EthAccountSigner
from x402.schemas import X402_VERSION, PaymentPayload, PaymentRequired, PaymentRequirements

from chassis.bus.envelopes import new_id
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from contracts.envelope import Envelope
from contracts.errors import Conflict, Internal, NotFound
from contracts.errors import PaymentRequired as NotPaid
from contracts.machine import MOST_HEADER, AgentPayment, PayAgent
from payment_svc.holds import store as store_holds
from payment_svc.machine import store_sent
from payment_svc.machine.chain import Chain, Silent
from payment_svc.machine.signed import ADDRESS, MOST_S, UNITS
from payment_svc.machine.terms import SCHEME, BadTerms, Token

log = structlog.get_logger()

LATE = timedelta(seconds=30)
"""How much longer than it may be used a signature counts as good: clocks differ."""
STILL_GOOD = timedelta(seconds=6)
NO_OFFER = "The agent wants to be paid in what is not paid here."
TOO_LONG = "What the agent wants to have signed is longer than a header can be."
UNKNOWN = (
    "It is not known whether the agent took what it was paid for this; it is not paid again before"
    " that is known."
)
ENOUGH = (
    "Agents have of today's payments what may be out without a result; this one is not paid before"
    " some of that has come to one, or is a day old."
)
SHARES = 10
"""One agent may have this part of what may be out."""
TAKEN = "The agent took what it was paid for this, and did not do it; it is not paid again."


def payer_of(key: str) -> LocalAccount:
    """Who signs, by its private key.

    Raises:
        BadTerms: it is no key; the message does not repeat it.
    """
    try:
        account: LocalAccount = Account.from_key(key)
    except ValueError:  # What the library says may quote the key.
        raise BadTerms("MACHINE_PAYER_KEY is no private key.") from None
    return account


@dataclass(frozen=True, slots=True)
class Sending:
    """What paying agents needs.

    Attributes:
        db: the database.
        token: in what they are paid.
        payer: who signs.
        chain: whom to ask of a nonce.
        at_risk: BazaarBucks that may have left in a day for which there is no result; for one agent
            a tenth of it.
    """

    db: Database
    token: Token
    payer: LocalAccount
    chain: Chain | None
    at_risk: Decimal

    async def pay(self, request: PayAgent, here: Envelope) -> AgentPayment:
        """A signed payment for a piece of work, within what its hold has.

        Raises:
            NotFound: no open hold of this account.
            NotPaid: the agent wants something else, or more.
            Conflict: it is not known what became of the payment before.
        """
        asked = _asked(request.required)
        offers = self._offers(asked)
        await self._is_over(request, here)
        async with self.db.transaction(here) as tx:
            hold = await store_holds.find_hold(tx.conn, request.hold_id, lock=True)
            if hold is None or hold.account != here.account or hold.status != "held":
                raise NotFound("This step is over; nothing is held for it.")
            known = await store_sent.of_work(tx.conn, here.account, request.work)
            if known is not None:
                return await self._again(tx, known, request, hold.held, offers)
            room = hold.held - await store_sent.promised(tx.conn, hold.id)
            offer = self._cheapest(offers, room)
            required = PaymentRequired(resource=asked.resource, accepts=[offer])
            payload = await asyncio.to_thread(_signed, self.payer, required, self.token, room)
            values = self._values(request, here.account, payload)
            if len(str(values["signature"])) > MOST_HEADER:  # It repeats what was asked for.
                raise NotPaid(TOO_LONG)
            await self._risk(tx, request.agent_id, self.token.price_of(int(offer.amount)))
            await store_sent.keep(tx.conn, values)
        log.info("an agent is paid", hold_id=request.hold_id, amount=str(values["amount"]))
        return AgentPayment(
            signature=str(values["signature"]),
            amount=self.token.price_of(int(offer.amount)),
            pay_to=offer.pay_to,
        )

    def _offers(self, asked: PaymentRequired) -> list[PaymentRequirements]:
        """What an agent takes of what is paid here; the cheapest first."""
        token, good = self.token, []
        for offer in asked.accepts:
            extra = offer.extra or {}
            ours = (
                offer.scheme == SCHEME
                and offer.network == token.network
                and offer.asset.lower() == token.asset.lower()
                and extra.get("assetTransferMethod") in (None, "eip3009")
                and extra.get("paymentFlow") in (None, "authorization")
                and UNITS.fullmatch(offer.amount)
                and int(offer.amount) > 0
                and ADDRESS.fullmatch(offer.pay_to)
                and 0 < offer.max_timeout_seconds <= MOST_S
            )
            if ours:
                named = {"name": token.name, "version": token.version}
                good.append(offer.model_copy(update={"extra": {**extra, **named}}))
        if not good:
            raise NotPaid(NO_OFFER)
        return sorted(good, key=lambda one: int(one.amount))

    def _cheapest(self, offers: list[PaymentRequirements], room: Decimal) -> PaymentRequirements:
        least = offers[0]
        if int(least.amount) > self.token.units_within(room):
            costs = self.token.price_of(int(least.amount)).normalize()
            raise NotPaid(
                f"The agent wants {costs:f} BazaarBucks, which is more than the"
                f" {room.normalize():f} that are held for it."
            )
        return least

    async def _risk(self, tx: Transaction, agent_id: str, amount: Decimal) -> None:
        """Keep what agents may take for nothing within bounds: whoever lists one could call it.

        Raises:
            NotPaid: as much is out as may be.
        """
        out = await store_sent.out(tx.conn, agent_id)
        if out.all + amount > self.at_risk or out.of_agent + amount > self.at_risk / SHARES:
            raise NotPaid(ENOUGH)

    async def _is_over(self, request: PayAgent, here: Envelope) -> None:
        """Let the payment before lapse, when it cannot be taken any more."""
        async with self.db.transaction(here) as tx:
            known = await store_sent.of_work(tx.conn, here.account, request.work)
        if known is None or datetime.now(UTC) < known.valid_before + LATE:
            return
        if self.chain is not None:
            try:
                used = await self.chain.is_used(known.asset, known.payer, known.nonce)
            except Silent:
                raise Conflict(UNKNOWN) from None
            if used:
                raise Conflict(TAKEN)
        async with self.db.transaction(here) as tx:
            await store_sent.lapse(tx.conn, known.id)

    async def _again(
        self,
        tx: Transaction,
        known: store_sent.Found,
        request: PayAgent,
        held: Decimal,
        offers: list[PaymentRequirements],
    ) -> AgentPayment:
        """The payment that was signed for this work, while it is good and still asked for.

        Raises:
            Conflict: it is neither, and may have been taken.
        """
        wanted = {(one.pay_to.lower(), one.amount) for one in offers}
        same = (known.pay_to.lower(), str(int(known.units))) in wanted
        good = datetime.now(UTC) < known.valid_before - STILL_GOOD
        if not (same and good and known.amount <= held):
            raise Conflict(UNKNOWN)
        if known.hold_id != request.hold_id:
            await store_sent.moved(tx.conn, known.id, request.hold_id)
        return AgentPayment(signature=known.signature, amount=known.amount, pay_to=known.pay_to)

    def _values(
        self, request: PayAgent, account: str, payload: PaymentPayload
    ) -> dict[str, object]:
        said = payload.payload["authorization"]
        units = int(said["value"])
        return {
            "id": new_id(),
            "account": account,
            "work": request.work,
            "hold_id": request.hold_id,
            "agent_id": request.agent_id,
            "network": self.token.network,
            "asset": self.token.asset,
            "payer": str(said["from"]).lower(),
            "pay_to": str(said["to"]),
            "nonce": str(said["nonce"]).lower(),
            "units": units,
            "amount": self.token.price_of(units),
            "valid_before": datetime.fromtimestamp(int(said["validBefore"]), UTC),
            "signature": encode_payment_signature_header(payload),
        }


def _asked(header: str) -> PaymentRequired:
    """What an agent's `PAYMENT-REQUIRED` says.

    Raises:
        NotPaid: it says nothing that is understood.
    """
    try:
        said = decode_payment_required_header(header)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise NotPaid("The agent does not say how it is paid.") from None
    if not isinstance(said, PaymentRequired) or said.x402_version != X402_VERSION:
        raise NotPaid("The agent is paid by another version of x402.")
    return said


def _signed(
    payer: LocalAccount, required: PaymentRequired, token: Token, room: Decimal
) -> PaymentPayload:
    """Sign the one offer that is left; the library keeps to the hold as well."""
    client = x402ClientSync()
    register_exact_evm_client(client, EthAccountSigner(payer))
    most = str(token.units_within(room))
    own: SpendControlAsset = {
        "network": token.network,
        "asset": token.asset,
        "max_amount_per_payment": most,
    }
    client.set_spend_controls({"allowed_assets": [own]})
    payload = client.create_payment_payload(required)
    if not isinstance(payload, PaymentPayload):
        raise Internal("A payment of another version was signed.")
    return payload
