"""Refunds: what was paid for a step goes back, in full or in part, never more than was paid."""

import math
from datetime import UTC, datetime
from decimal import Decimal

from chassis.bus.envelopes import new_id
from chassis.db.transaction import Transaction
from contracts.cards import CardReply, RefundCard
from contracts.envelope import Envelope
from contracts.errors import Conflict, Internal, Invalid, NotFound
from contracts.ledger import PaymentRefunded, PaymentReply, RefundPayment
from payment_svc.cards import store as store_cards
from payment_svc.cards import store_refunds as store_card_refunds
from payment_svc.cards.charges import NOT_CHARGED
from payment_svc.cards.telling import tell
from payment_svc.domain import (
    Transfer,
    earnings_of,
    fee_returned,
    refund_postings,
    seller_of,
)
from payment_svc.holds import store
from payment_svc.ledger import store as store_ledger
from payment_svc.ledger import store_payments
from payment_svc.ledger.announcing import announce
from payment_svc.ledger.names import shown_id
from payment_svc.ledger.views import card_view, payment_view
from payment_svc.payouts import store_owners
from payment_svc.rows import Hold

TAKEN = "This refund id was used for something else."
OVER = (
    "It is too late to have this payment back without its seller's consent:"
    " POST /api/payments/bazaarbucks/{id}/dispute."
)
STOPPED = "Given back before the card was charged."


async def refund_payment(
    request: RefundPayment, tx: Transaction, here: Envelope, grace_s: float = math.inf
) -> PaymentReply:
    """Give back what was paid for a step, or part of it; the task's cost follows.

    Args:
        request: of which payment, and how much of it.
        tx: the transaction.
        here: whose.
        grace_s: so many seconds after it was paid, its seller or an admin has to agree.

    Raises:
        NotFound: no such payment in this account.
        Invalid: it is no payment of an agent, or less is left of it than the amount.
        Conflict: it was given back before, the refund's id was used for something else, or
            somebody has to agree.
    """
    return await refund_of(request, tx, here.account, grace_s)


async def refund_of(
    request: RefundPayment, tx: Transaction, account: str, grace_s: float = math.inf
) -> PaymentReply:
    """The same for an account. Raises as `refund_payment` does."""
    payment, hold = await refundable(tx, account, request.payment_id)
    if known := await store_payments.find_payment(tx.conn, request.refund_id, account):
        return _same_again(request, known, payment, hold.captured - hold.refunded)
    amount = left_of(hold, request.amount)
    if is_over(hold, grace_s, datetime.now(UTC)):
        raise Conflict(OVER)
    if request.amount is None:
        await give_back_all(tx, hold, request.refund_id)
    else:
        await _give_back(tx, hold, payment, request.refund_id, amount)
    row = await store_payments.find_payment(tx.conn, request.refund_id, account)
    if row is None:
        raise Internal("A refund that was just made is gone.")
    return PaymentReply(payment=payment_view(row))


async def refundable(tx: Transaction, account: str, payment_id: str) -> tuple[store.Found, Hold]:
    """An agent's payment of an account, and its hold, which is locked.

    Raises:
        NotFound: there is none.
        Invalid: it is no payment of an agent.
    """
    payment = await store_payments.find_payment(tx.conn, payment_id, account)
    if payment is None:
        raise NotFound("Payment not found")
    if payment.type != "agent_payment":
        raise Invalid("Only an agent's payment can be refunded.")
    return payment, await _locked(tx, payment.step_id)


def left_of(hold: Hold, wanted: Decimal | None) -> Decimal:
    """What is to be given back of a hold's payment: `wanted`, or all that is left.

    Raises:
        Conflict: nothing is left.
        Invalid: less is left.
    """
    left = hold.captured - hold.refunded
    if not left:
        raise Conflict("This payment was refunded before.")
    amount = left if wanted is None else wanted
    if amount > left:
        raise Invalid(f"Only {left.normalize():f} BazaarBucks of this payment are left.")
    return amount


def is_over(hold: Hold, grace_s: float, now: datetime) -> bool:
    """Whether it is too late for a payer to have a payment back without being asked why."""
    paid_at = hold.resolved_at or hold.created_at
    return (now - paid_at).total_seconds() > grace_s


async def refund_card(request: RefundCard, tx: Transaction, here: Envelope) -> CardReply:
    """Give back what an agent bought by card: to the wallet at once, to the card by the rail.

    Raises:
        NotFound: no such card payment in this account.
        Invalid: it is no purchase.
        Conflict: it was given back before, or the refund's id was used for something else.
    """
    purchase = await store_cards.find_own(tx.conn, here.account, request.payment_id)
    if purchase is None:
        raise NotFound("Payment not found")
    if purchase.type != "card_spend":
        raise Invalid("Only a purchase by card can be refunded here.")
    hold = await _locked(tx, purchase.step_id)
    if hold.external == hold.external_refunded:
        known = await store_card_refunds.of(tx.conn, purchase.id)
        if known is None or shown_id(known) != request.refund_id:
            raise Conflict("This purchase was refunded before.")
    else:
        await _give_back(tx, hold, None, request.refund_id, Decimal(0), hold.external)
        known = await store_card_refunds.of(tx.conn, purchase.id)
        if known is None:
            raise Internal("A refund that was just made is gone.")
    return CardReply(payment=card_view(known))


async def give_back_all(tx: Transaction, hold: Hold, refund_id: str) -> None:
    """Give back all that is left of what a captured hold, which is locked, paid for.

    Raises:
        Conflict: the refund's id is taken.
    """
    left = hold.captured - hold.refunded
    payment = await store_payments.payment_of(tx.conn, hold) if left else None
    if left and payment is None:
        raise Internal("The captured hold has no payment.")
    await _give_back(tx, hold, payment, refund_id, left, hold.external - hold.external_refunded)


async def _locked(tx: Transaction, step_id: str) -> Hold:
    hold = await store.find_hold(tx.conn, step_id, lock=True)
    if hold is None:
        raise Internal("The payment has no hold.")
    return hold


def _same_again(
    request: RefundPayment, known: store.Found, payment: store.Found, left: Decimal
) -> PaymentReply:
    # A refund of all that was left has left nothing.
    amount = known.amount if request.amount is None and not left else request.amount
    same = (known.type, known.step_id, known.amount) == ("refund", payment.step_id, amount)
    if not same:
        raise Conflict(TAKEN)
    return PaymentReply(payment=payment_view(known))


async def _give_back(
    tx: Transaction,
    hold: Hold,
    payment: store.Found | None,
    refund_id: str,
    amount: Decimal,
    external: Decimal = Decimal(0),
) -> None:
    """Move `amount` of the agent's pay and `external` of its purchase back into the wallet.

    Who was paid gives it back, even if the hold was placed for another agent: the agent, or its
    seller once it was settled, who owes what was paid out already.
    """
    agent_id = hold.agent_id if payment is None else payment.agent_id
    fee = fee_returned(amount, hold.captured, hold.fee, hold.refunded) if amount else Decimal(0)
    seller = await store_owners.source_of(tx.conn, hold.id) if amount else None
    earner = earnings_of(agent_id) if seller is None else seller_of(seller)
    postings = refund_postings(hold.account, earner, amount, fee, external)
    await store_payments.give_back(tx.conn, hold, amount, external)
    await store_ledger.move(tx.conn, postings)
    await store_ledger.post(
        tx.conn,
        [Transfer(new_id(), hold.account, "refund", postings, hold.task_id, hold.id)],
    )
    paid = payment
    if payment is not None:
        await _record(tx, hold, payment, refund_id, amount)
    if external:
        purchase = await _to_card(tx, hold, refund_id if payment is None else new_id())
        paid = payment or purchase
    if paid is None:
        raise Internal("A refund of nothing.")
    refunded = PaymentRefunded(
        task_id=hold.task_id,
        payment_id=shown_id(paid),
        refund_id=refund_id,
        step_id=hold.id,
        agent_id=agent_id,
        amount=amount,
        external_amount=external,
    )
    await announce(tx, refunded, hold.account)


async def _record(
    tx: Transaction, hold: Hold, payment: store.Found, refund_id: str, amount: Decimal
) -> None:
    values = {
        "id": refund_id,
        "account": hold.account,
        "task_id": hold.task_id,
        "step_id": hold.id,
        "agent_id": payment.agent_id,
        "amount": amount,
        "type": "refund",
    }
    if await store_payments.record_named(tx.conn, "bazaarbucks", new_id(), values) is None:
        raise Conflict(TAKEN)


async def _to_card(tx: Transaction, hold: Hold, refund_id: str) -> store.Found:
    """Store that a purchase is to be given back to its card; Stripe is asked after the commit.

    Returns:
        The purchase.
    """
    purchase = await store_card_refunds.lock_purchase_of(tx.conn, hold)
    stopped = await store_card_refunds.stop(tx.conn, purchase, STOPPED)
    tell(tx, stopped)
    if stopped is not None:
        status, note = "completed", NOT_CHARGED
    else:
        status, note = ("pending" if purchase.rail == "stripe" else "completed"), None
    values = store_card_refunds.values_of(purchase, refund_id, status, note)
    stored = await store_payments.record_named(tx.conn, "stripe", new_id(), values)
    if stored is None:
        raise Conflict(TAKEN)
    tell(tx, stored)
    return purchase
