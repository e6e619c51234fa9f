"""Refunds: what was paid for a step goes back, in full or in part, never more than was paid."""

from decimal import Decimal

from chassis.database import Transaction
from chassis.delivery import Here, Tx
from chassis.envelopes import new_id
from contracts.errors import Conflict, Internal, Invalid, NotFound
from contracts.ledger import PaymentRefunded, PaymentReply, RefundPayment
from contracts.payment import BazaarBucksPaymentView
from payment_svc import store, store_books, store_ledger
from payment_svc.domain import Transfer, fee_returned, refund_postings


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
    left = hold.captured - hold.refunded
    if known := await store_books.find_payment(tx.conn, request.refund_id, here.account):
        return _same_again(request, known, payment, left)
    if not left:
        raise Conflict("This payment was refunded before.")
    amount = left if request.amount is None else request.amount
    if amount > left:
        raise Invalid(f"Only {left.normalize():f} BazaarBucks of this payment are left.")
    await give_back(tx, hold, payment, request.refund_id, amount)
    row = await store_books.find_payment(tx.conn, request.refund_id, here.account)
    return PaymentReply(payment=BazaarBucksPaymentView.model_validate(row, from_attributes=True))


def _same_again(
    request: RefundPayment, known: store.Found, payment: store.Found, left: Decimal
) -> PaymentReply:
    # A refund of all that was left has left nothing.
    amount = known.amount if request.amount is None and not left else request.amount
    same = (known.type, known.step_id, known.amount) == ("refund", payment.step_id, amount)
    if not same:
        raise Conflict("This refund id was used for something else.")
    return PaymentReply(payment=BazaarBucksPaymentView.model_validate(known, from_attributes=True))


async def give_back(
    tx: Transaction, hold: store.Found, payment: store.Found, refund_id: str, amount: Decimal
) -> None:
    """Move `amount` of a payment for a captured hold, which is locked, back into the wallet.

    Who was paid gives it back, even if the hold was placed for another agent.

    Raises:
        Conflict: the refund's id is taken.
    """
    fee = fee_returned(amount, hold.captured, hold.fee, hold.refunded)
    postings = refund_postings(hold.account, payment.agent_id, amount, fee)
    await store_books.give_back(tx.conn, hold, amount)
    await store_ledger.move(tx.conn, postings)
    await store_ledger.post(
        tx.conn,
        [Transfer(new_id(), hold.account, "refund", postings, hold.task_id, hold.id)],
    )
    stored = await store_books.record_once(
        tx.conn,
        [
            {
                "id": refund_id,
                "account": hold.account,
                "task_id": hold.task_id,
                "step_id": hold.id,
                "agent_id": payment.agent_id,
                "amount": amount,
                "type": "refund",
            }
        ],
    )
    if not stored:
        raise Conflict("This refund id was used for something else.")
    tx.publish(
        PaymentRefunded(
            task_id=hold.task_id,
            payment_id=payment.id,
            refund_id=refund_id,
            step_id=hold.id,
            agent_id=payment.agent_id,
            amount=amount,
        ),
        account=hold.account,
    )
