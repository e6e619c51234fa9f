"""A payment by a machine, from its header to the wallet: remembered, sent, settled, credited once.

Each arrow is a transaction of its own, and nobody is asked inside of one:

    new -> sent -> settled       it is credited in the transaction that notes its transaction
    new -> refused               the facilitator would not settle it, or it was too late
    sent -> refused              the network's node says that its nonce was used for something
                                 else, or was not, when it is too late to use it
    sent -> doubt                nobody says what became of it; a person looks

Whoever dies in between leaves a row that says how far it came. What is `sent` is taken up by a
sweep, which asks the facilitator again, and the network when that does not know: the nonce was
used by us, once, or was not.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from x402.http.utils import encode_payment_response_header
from x402.schemas import PaymentPayload, SettleResponse

from chassis.bus.envelopes import new_id, origin
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from contracts.envelope import Envelope
from contracts.errors import Busy, Unavailable
from contracts.payment import WalletCredited
from payment_svc.domain import CLOSED, Posting, Transfer, grant_postings, wallet_of
from payment_svc.ledger import store as store_ledger
from payment_svc.machine import store
from payment_svc.machine.chain import Chain, Silent
from payment_svc.machine.facilitator import Away, Declined, Facilitator, Settled, Unknown
from payment_svc.machine.signed import Refused, Shop, Signed

log = structlog.get_logger()

LEASE_S = 45.0
"""After so many seconds another one takes a payment over; longer than a try takes."""
AGAIN_S, AGAIN_AT_MOST_S = 2.0, 60.0
LATE = timedelta(minutes=5)
"""After it cannot be settled any more, nobody is expected to say more of a payment."""
NODE_LATE = timedelta(days=1)
"""So long a node of the network is asked that does not say it; a nonce that was called off has no
payment that could ever be found.
"""
KIND = "machine_top_up"
USED = "This payment was used before."
GOES_ON = "It is not known yet whether this payment was settled; send it again in a moment."
AWAY = "The facilitator does not answer; nothing was paid. Send the payment again in a moment."
NEVER = "It was never settled."
DOUBT = "Nobody says whether it was settled: look at the network."


@dataclass(frozen=True, slots=True)
class Receiving:
    """What taking a payment needs: the database, what is taken, and whom to ask."""

    db: Database
    shop: Shop
    facilitator: Facilitator
    chain: Chain | None
    lease_s: float = LEASE_S
    again_s: float = AGAIN_S

    async def take(self, signed: Signed, here: Envelope) -> store.Found:
        """Have a payment settled, and credit it; the row of one that is.

        Raises:
            Refused: it is not taken; nothing was credited.
            Busy: it is not known yet.
            Unavailable: the facilitator does not answer, and was not asked to settle it.
        """
        values = self._values(signed, here.account)
        async with self.db.transaction(here) as tx:
            if await store_ledger.is_closed(tx.conn, wallet_of(here.account)):
                raise Refused(CLOSED)
            row = await store.remember(tx.conn, values, self.lease_s)
            if row is None:
                known = await store.known(tx.conn, values)
                if known.account != here.account:
                    raise Refused(USED)
                row = await store.claim(tx.conn, known.id, self.lease_s) or known
                if row is known:
                    return _ended(known)
        return _ended(await self._attempt(row))

    def _values(self, signed: Signed, account: str) -> dict[str, object]:
        token = self.shop.token
        return {
            "id": new_id(),
            "account": account,
            "protocol": signed.protocol,
            "network": token.network,
            "asset": token.asset,
            "payer": signed.payer,
            "nonce": signed.nonce,
            "units": signed.units,
            "amount": token.worth(signed.units),
            "valid_before": signed.valid_before,
            "payment": signed.payload.model_dump_json(by_alias=True, exclude_none=True),
        }

    async def sweep(self) -> None:
        """Take up what was sent and of which nobody knows more, some at a time."""
        while True:
            async with self.db.transaction() as tx:
                due = await store.claim_sent(tx.conn, self.lease_s)
            if not due:
                return
            await asyncio.gather(*(self._attempt(row) for row in due))

    async def _attempt(self, row: store.Found) -> store.Found:
        """Go on with a payment that is in hand; its row as it then stands."""
        payment = PaymentPayload.model_validate_json(row.payment)
        first = row.status == "new"
        if first:
            try:
                why = await self.facilitator.verify(payment)
            except Away as away:
                log.warning("the facilitator does not answer", why=str(away))
                return await self._put_off(row, AWAY, 0.0)
            if why is not None:
                return await self._refuse(row, f"The facilitator refuses the payment ({why}).")
            async with self.db.transaction() as tx:
                if not await store.send(tx.conn, row):
                    raise Busy(GOES_ON)
        said = None
        match await self.facilitator.settle(payment):
            case Settled(transaction=transaction):
                return await self._credit(row, transaction)
            case Declined(reason=why):
                said = f"The payment was not settled ({why})." if first else None
            case Unknown(why=why):
                pass
        log.warning("a facilitator did not settle a payment", receipt_id=row.id, why=why)
        if first and said is None:  # It took its time, and somebody waits: the node is asked later.
            return await self._wait(row, LATE)
        return await self._look(row, said)

    async def _look(self, row: store.Found, said: str | None) -> store.Found:
        """Ask the network what became of a payment that the facilitator did not settle.

        A facilitator that waited in vain for its transaction says no, and the network may carry it
        out yet. So whoever pays is told the no, and the payment is looked at once more when it
        cannot be settled any more; until then nobody is asked to settle it.

        Args:
            row: the payment.
            said: the no to a payment that the facilitator was asked to settle for the first time.
        """
        late = LATE if self.chain is None else NODE_LATE
        left = row.valid_before + LATE - datetime.now(UTC)
        if self.chain is not None:
            try:
                if await self.chain.is_used(row.asset, row.payer, row.nonce):
                    asked = (row.asset, row.payer, row.nonce, self.shop.payee, int(row.units))
                    transaction = await self.chain.paid_by(*asked)
                    if transaction is None:
                        return await self._refuse(row, USED)
                    return await self._credit(row, transaction)
            except Silent:
                log.warning("the network's node does not answer", receipt_id=row.id)
                return await self._wait(row, late)
            if left < timedelta(0):
                return await self._refuse(row, NEVER)
        if said is not None:
            return await self._put_off(row, said, left.total_seconds())
        return await self._wait(row, late)

    async def _wait(self, row: store.Found, late: timedelta) -> store.Found:
        """Ask again later, or leave it to a person once nobody can be expected to say more."""
        if datetime.now(UTC) - row.valid_before > late:
            async with self.db.transaction() as tx:
                ended = await store.doubt(tx.conn, row.id, DOUBT)
            log.error("a payment is in doubt", receipt_id=row.id, account=row.account)
            return ended or await self._as_it_is(row)
        wait_s = min(AGAIN_AT_MOST_S, self.again_s * 2 ** min(row.attempts - 1, 10))
        return await self._put_off(row, GOES_ON, wait_s)

    async def _put_off(self, row: store.Found, why: str, again_s: float) -> store.Found:
        async with self.db.transaction() as tx:
            await store.put_off(tx.conn, row, again_s, why)
        return await self._as_it_is(row)

    async def _refuse(self, row: store.Found, why: str) -> store.Found:
        async with self.db.transaction() as tx:
            refused = await store.refuse(tx.conn, row.id, why)
        log.info("a payment was refused", receipt_id=row.id, why=why)
        return refused or await self._as_it_is(row)

    async def _credit(self, row: store.Found, transaction: str) -> store.Found:
        """Credit a payment, in the transaction that notes that it was settled: once, therefore."""
        async with self.db.transaction(origin("payment", "machine.credit", row.account)) as tx:
            if await store.is_credited(tx.conn, row.network, transaction):
                settled = None
            else:
                settled = await store.settle(tx.conn, row.id, transaction)
            if settled is not None:
                await _book(tx, settled)
        if settled is not None:
            log.info("a payment was credited", receipt_id=row.id, transaction=transaction)
            return settled
        found = await self._as_it_is(row)
        if found.status == "settled":
            return found
        # Another payment has this transaction: it cannot have settled both.
        log.error("a facilitator tells of a transaction twice", receipt_id=row.id)
        return await self._wait(row, LATE)

    async def _as_it_is(self, row: store.Found) -> store.Found:
        async with self.db.transaction(reads=True) as tx:
            return await store.known(tx.conn, row._asdict())


async def _book(tx: Transaction, row: store.Found) -> None:
    postings: tuple[Posting, ...] = grant_postings(row.account, row.amount)
    await store_ledger.credit(tx.conn, postings)
    transfer = Transfer(new_id(), row.account, KIND, postings, step_id=row.id)
    await store_ledger.post(tx.conn, [transfer])
    tx.publish(
        WalletCredited(account=row.account, amount=row.amount, reason="top_up"),
        account=row.account,
    )


def _ended(row: store.Found) -> store.Found:
    """A row that is settled.

    Raises:
        Refused: it came to nothing.
        Busy: it is not over.
        Unavailable: it has not begun.
    """
    if row.status == "settled":
        return row
    if row.status == "refused":
        raise Refused(row.note or USED)
    if row.status == "doubt":
        raise Refused(DOUBT)
    if row.note == AWAY:
        raise Unavailable(AWAY)
    if row.note not in {None, GOES_ON}:
        raise Refused(row.note)
    raise Busy(GOES_ON)


def receipt_of(row: store.Found) -> str:
    """The header `PAYMENT-RESPONSE` of a settled payment."""
    said = SettleResponse(
        success=True,
        payer=row.payer,
        transaction=row.transaction,
        network=row.network,
        amount=str(int(row.units)),
    )
    return encode_payment_response_header(said)
