"""Payments by hand: a hold and its capture at once, for a task, without a call of the agent."""

from decimal import Decimal
from typing import Annotated

from chassis.delivery import Here, Tx
from chassis.envelopes import new_id
from chassis.given import Given
from contracts.errors import Conflict, Internal, PaymentRequired
from contracts.ledger import EnterPayment, PaymentEntered, PaymentReply
from contracts.payment import BazaarBucksPaymentView, PaymentRecorded, PlaceHold
from payment_svc import store, store_books, store_budgets, store_ledger
from payment_svc.domain import Transfer, capture_postings, fee_of, wallet_of
from payment_svc.settings import Settings


async def enter_payment(
    request: EnterPayment,
    tx: Tx,
    here: Here,
    settings: Annotated[Settings, Given("settings")],
) -> PaymentReply:
    """Pay an agent for a task; the budget and the wallet hold here as everywhere.

    Raises:
        PaymentRequired: the budget or the wallet does not cover it.
        Conflict: the payment's id was used for something else.
    """
    hold = PlaceHold(
        hold_id=request.payment_id,
        task_id=request.task_id,
        agent_id=request.agent_id,
        amount=request.amount,
        max_budget=request.max_budget,
    )
    if await store.insert_hold(tx.conn, here.account, hold) is None:
        return await _same_again(request, tx, here.account)
    wallet = wallet_of(here.account)
    if not await store_budgets.reserve_budget(tx.conn, here.account, hold):
        raise PaymentRequired("The task's budget does not cover this payment.")
    if not await store_budgets.reserve_wallet(tx.conn, wallet, request.amount):
        raise PaymentRequired("The wallet does not cover this payment.")
    await _capture(request, tx, here.account, fee_of(request.amount, settings.platform_fee_rate))
    tx.publish(
        PaymentRecorded(
            task_id=request.task_id,
            payment_id=request.payment_id,
            step_id=request.payment_id,
            agent_id=request.agent_id,
            amount=request.amount,
            external_amount=Decimal(0),
        ),
        PaymentEntered(
            task_id=request.task_id,
            payment_id=request.payment_id,
            agent_id=request.agent_id,
            amount=request.amount,
        ),
    )
    row = await store_books.find_payment(tx.conn, request.payment_id, here.account)
    return PaymentReply(payment=BazaarBucksPaymentView.model_validate(row, from_attributes=True))


async def _same_again(request: EnterPayment, tx: Tx, account: str) -> PaymentReply:
    known = await store_books.find_payment(tx.conn, request.payment_id, account)
    hold = await store.find_hold(tx.conn, request.payment_id)
    same = (
        known is not None
        and hold is not None
        and known.task_id == request.task_id
        and known.agent_id == request.agent_id
        and hold.asked == request.amount
    )
    if not same:
        raise Conflict("This payment id was used for something else.")
    return PaymentReply(payment=BazaarBucksPaymentView.model_validate(known, from_attributes=True))


async def _capture(request: EnterPayment, tx: Tx, account: str, fee: Decimal) -> None:
    hold = await store.find_hold(tx.conn, request.payment_id)
    if hold is None:
        raise Internal("The hold that was just placed is gone.")
    end = store.Settlement(hold, captured=request.amount, fee=fee)
    postings = capture_postings(account, request.agent_id, request.amount, fee, Decimal(0))
    await store.capture_holds(tx.conn, [end])
    await store_budgets.settle(tx.conn, [end])
    await store_ledger.credit(
        tx.conn, [p for p in postings if p.ledger_account != wallet_of(account)]
    )
    await store_ledger.post(
        tx.conn,
        [Transfer(new_id(), account, "capture", postings, request.task_id, request.payment_id)],
    )
    rows = (
        (request.payment_id, "agent_payment", request.amount - fee),
        (new_id(), "platform_fee", fee),
    )
    stored = await store_books.record_once(
        tx.conn,
        [
            {
                "id": id_,
                "account": account,
                "task_id": request.task_id,
                "step_id": request.payment_id,
                "agent_id": request.agent_id,
                "amount": amount,
                "type": kind,
            }
            for id_, kind, amount in rows
            if amount
        ],
    )
    if not stored:
        raise Conflict("This payment id was used for something else.")
