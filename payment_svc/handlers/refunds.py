"""Refunds: what was paid for a step goes back, in full or in part, never more than was paid."""

from decimal import Decimal

from chassis.database import Transaction
from chassis.delivery import Here, Tx
from chassis.envelopes import new_id
from contracts.errors import Conflict, Internal, Invalid, NotFound
from contracts.ledger import PaymentRefunded, PaymentReply, RefundPayment
from contracts.payment import BazaarBucksPaymentView
from payment_svc import store, store_books
from payment_svc.domain import Transfer, fee_returned, refund_postings
from payment_svc.tables import bazaarbucks_payments


async def refund_payment(request: RefundPayment, tx: Tx, here: Here) -> PaymentReply:
    """Give back what was paid for a step, or part of it; the task's cost follows.

    Raises:
        NotFound: no such payment in this account.
        Invalid: it is no payment of an agent, or less is left of it than the amount.
        Conflict: it was given back before, or the refund's id was used for something else.
    """
    payment = await store_books.find_payment(tx.conn, request.payment_id, here.account)
    if payment is None:
        raise NotFound("Payment not found")
    if payment.type != "agent_payment":
        raise Invalid("Only an agent's payment can be refunded.")
    hold = await store.find_hold(tx.conn, payment.step_id, lock=True)
    if hold is None:
        raise Internal("The payment has no hold.")
    if known := await store_books.find_payment(tx.conn, request.refund_id, here.account):
        return _same_again(request, known, payment)
    left = hold.captured - hold.refunded
    if not left:
        raise Conflict("This payment was refunded before.")
    amount = left if request.amount is None else request.amount
    if amount > left:
        raise Invalid(f"Only {left.normalize():f} BazaarBucks of this payment are left.")
    await give_back(tx, hold, payment.id, request.refund_id, amount)
    row = await store_books.find_payment(tx.conn, request.refund_id, here.account)
    return PaymentReply(payment=BazaarBucksPaymentView.model_validate(row, from_attributes=True))


def _same_again(request: RefundPayment, known: store.Found, payment: store.Found) -> PaymentReply:
    same = (
        known.type == "refund"
        and known.step_id == payment.step_id
        and request.amount in (None, known.amount)
    )
    if not same:
        raise Conflict("This refund id was used for something else.")
    return PaymentReply(payment=BazaarBucksPaymentView.model_validate(known, from_attributes=True))


async def give_back(
    tx: Transaction, hold: store.Found, payment_id: str, refund_id: str, amount: Decimal
) -> None:
    """Move `amount` of what a captured hold, which is locked, paid back into the wallet."""
    fee = fee_returned(amount, hold.captured, hold.fee, hold.refunded)
    postings = refund_postings(hold.account, hold.agent_id, amount, fee)
    await store_books.give_back(tx.conn, hold, amount)
    await store_books.move(tx.conn, postings)
    await store.post(
        tx.conn,
        [Transfer(new_id(), hold.account, "refund", postings, hold.task_id, hold.id)],
    )
    await store.record(
        tx.conn,
        bazaarbucks_payments,
        [
            {
                "id": refund_id,
                "account": hold.account,
                "task_id": hold.task_id,
                "step_id": hold.id,
                "agent_id": hold.agent_id,
                "amount": amount,
                "type": "refund",
            }
        ],
    )
    tx.publish(
        PaymentRefunded(
            task_id=hold.task_id,
            payment_id=payment_id,
            refund_id=refund_id,
            step_id=hold.id,
            agent_id=hold.agent_id,
            amount=amount,
        ),
        account=hold.account,
    )
