"""Top-ups that Stripe takes back by a refund or a dispute, and gives again when one is won.

Stripe tells in any order and more than once, so what it told of each refund and each dispute is
kept, and the wallet follows from all of that together.
"""

from decimal import Decimal
from typing import Any

import structlog

from chassis.bus.envelopes import new_id
from chassis.db.transaction import Transaction
from payment_svc.cards import rail_refunds as card_refunds
from payment_svc.cards import store_reversals
from payment_svc.cards.store import Found
from payment_svc.cards.telling import tell
from payment_svc.domain import (
    WORLD,
    Posting,
    Reversal,
    Transfer,
    reversal_postings,
    taken_back,
    wallet_of,
)
from payment_svc.ledger import store as store_ledger

log = structlog.get_logger()

WON = frozenset({"won", "warning_closed", "prevented"})
"""Stripe's words for disputes that took nothing in the end."""
UNDER_WAY = frozenset({"needs_response", "under_review"})
"""Disputes whose money is withdrawn; one that begins with `warning_` has taken nothing yet."""


def read(type_: str, event: dict[str, Any]) -> Reversal | None:
    """What an event says of money that went back; None when it is about something else."""
    thing = event["data"]["object"]
    intent = thing.get("payment_intent")
    if not isinstance(intent, str):
        return None
    told_at = int(event.get("created") or 0)
    kind, status = thing.get("object"), thing.get("status")
    if kind == "charge" and thing.get("amount_refunded"):
        back = _bucks(thing["amount_refunded"])
        return Reversal(thing["id"], intent, "charge", back, True, 0, told_at)
    if kind == "refund":
        failed = status in card_refunds.FAILED
        rank = 2 if failed else 1 if status == "succeeded" else 0
        amount = _bucks(thing["amount"])
        return Reversal(thing["id"], intent, "refund", amount, not failed, rank, told_at)
    if kind == "dispute":
        taken, rank = _standing(type_, status)
        amount = _bucks(thing["amount"])
        return Reversal(thing["id"], intent, "dispute", amount, taken, rank, told_at)
    return None


def _bucks(cents: int) -> Decimal:
    return Decimal(cents) / 100


def _standing(type_: str, status: object) -> tuple[bool, int]:
    """Whether a dispute has the money, and how near to its end it is."""
    if status == "lost":
        return True, 2
    if status in WON or type_.endswith(".funds_reinstated"):
        return False, 2
    taken = status in UNDER_WAY or type_.endswith(".funds_withdrawn")
    return taken, int(taken)


async def on_reversal(tx: Transaction, told: Reversal, payment: Found | None) -> str:
    """Keep what was told of a refund or a dispute; the wallet follows once it was credited.

    Args:
        tx: a transaction that has locked the payment at Stripe.
        told: what was told.
        payment: the top-up, locked; None while nobody knows it.
    """
    await store_reversals.keep(tx.conn, told)
    if payment is None or payment.status != "completed":
        return "kept until a top-up of ours is known that it is about"
    return await settle(tx, payment)


async def settle(tx: Transaction, payment: Found) -> str:
    """Take back of a credited top-up, which is locked, what Stripe took back, or give it again.

    Returns:
        What came of it, in words.
    """
    known = await store_reversals.known_of(tx.conn, payment.intent_id)
    taken = taken_back(payment.amount, known)
    amount = taken - payment.taken_back
    if not amount:
        return "nothing more to take back"
    note = (
        f"Stripe took {taken.normalize():f} BazaarBucks of this back: refunded or disputed."
        if taken
        else None
    )
    wallet = wallet_of(payment.account)
    changed = await store_reversals.take(tx.conn, payment, wallet, amount, note)
    await store_ledger.move(tx.conn, [Posting(WORLD, amount)])
    transfer = Transfer(
        new_id(),
        payment.account,
        "top_up_reversed" if amount > 0 else "top_up_restored",
        reversal_postings(payment.account, amount),
    )
    await store_ledger.post(tx.conn, [transfer])
    await store_reversals.record(tx.conn, transfer.id, payment.id, amount)
    log.warning("top-up reversed", payment_id=payment.id, amount=str(amount))
    tell(tx, changed)
    return "taken back" if amount > 0 else "given again"
