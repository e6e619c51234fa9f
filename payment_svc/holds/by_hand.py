"""Payments by hand: a hold and its capture at once, for a task, without a call of the agent."""

from decimal import Decimal

from chassis.bus.envelopes import new_id
from chassis.db.transaction import Transaction
from contracts.envelope import Envelope
from contracts.errors import Conflict, Internal, PaymentRequired
from contracts.ledger import EnterPayment, PaymentEntered, PaymentReply
from contracts.payment import PaymentRecorded, PlaceHold
from payment_svc.domain import Transfer, capture_postings, fee_of, not_covered, wallet_of
from payment_svc.holds import store, store_budgets
from payment_svc.ledger import names, store_payments
from payment_svc.ledger import store as store_ledger
from payment_svc.ledger.announcing import announce
from payment_svc.ledger.views import payment_view
from payment_svc.settings import Settings
from payment_svc.spending import reserving

TAKEN = "This payment id was used for something else."

MODEL_OF = "chat"
"""The context that enters what its language model costs."""


async def enter_payment(
    request: EnterPayment,
    tx: Transaction,
    here: Envelope,
    settings: Settings,
) -> PaymentReply:
    """Pay an agent for a task; the budget and the wallet hold here as everywhere.

    Raises:
        PaymentRequired: the budget, the wallet or the credential's limits do not cover it.
        Conflict: the payment's id was used for something else.
    """
    hold = PlaceHold(
        hold_id=request.payment_id,
        task_id=request.task_id,
        agent_id=request.agent_id,
        amount=request.amount,
        max_budget=request.max_budget,
    )
    placed = await store.insert_hold(tx.conn, here.account, hold, here.spender)
    if placed is None:
        taken = await store.find_hold(tx.conn, request.payment_id)
        if taken is None or taken.account == here.account:
            return await _same_again(request, tx, here.account)
        # It is another account's step; here it is only what this payment is called.
        await names.lock(tx.conn, here.account, request.payment_id)
        if await store_payments.find_payment(tx.conn, request.payment_id, here.account):
            return await _same_again(request, tx, here.account)
        hold = hold.model_copy(update={"hold_id": new_id()})
        placed = await store.insert_hold(tx.conn, here.account, hold, here.spender)
    if placed is None:
        raise Internal("A fresh id is taken.")
    # What the language model of a turn costs is no purchase that a person could be asked about.
    of_a_person = here.source != MODEL_OF
    if why := await reserving.reserve(tx, hold, placed, here, asks=of_a_person):
        raise PaymentRequired(why, required=request.amount)
    wallet = wallet_of(here.account)
    if not await store_budgets.reserve_budget(tx.conn, here.account, hold):
        text = "The task's budget does not cover this payment."
        raise PaymentRequired(text, required=request.amount)
    reserved = await store_budgets.reserve_wallet(tx.conn, wallet, request.amount)
    if not reserved.done:
        text = not_covered(request.amount, reserved.owed, closed=reserved.closed)
        raise PaymentRequired(text, required=request.amount)
    fee = fee_of(request.amount, settings.platform_fee_rate)
    payment = await _capture(request, hold.hold_id, tx, here.account, fee)
    tx.publish(
        PaymentRecorded(
            task_id=request.task_id,
            payment_id=request.payment_id,
            step_id=hold.hold_id,
            agent_id=request.agent_id,
            amount=request.amount,
            external_amount=Decimal(0),
        )
    )
    entered = PaymentEntered(
        task_id=request.task_id,
        payment_id=hold.hold_id,
        agent_id=request.agent_id,
        amount=request.amount,
    )
    await announce(tx, entered, here.account)
    return PaymentReply(payment=payment_view(payment))


async def _same_again(request: EnterPayment, tx: Transaction, account: str) -> PaymentReply:
    known = await store_payments.find_payment(tx.conn, request.payment_id, account)
    hold = await store.find_hold(tx.conn, known.step_id) if known is not None else None
    same = (
        known is not None
        and hold is not None
        and known.type == "agent_payment"
        and known.task_id == request.task_id
        and known.agent_id == request.agent_id
        and hold.asked == request.amount
    )
    if known is None or not same:
        raise Conflict(TAKEN)
    return PaymentReply(payment=payment_view(known))


async def _capture(
    request: EnterPayment, step_id: str, tx: Transaction, account: str, fee: Decimal
) -> store.Found:
    hold = await store.find_hold(tx.conn, step_id)
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
        [Transfer(new_id(), account, "capture", postings, request.task_id, step_id)],
    )
    shared = {
        "account": account,
        "task_id": request.task_id,
        "step_id": step_id,
        "agent_id": request.agent_id,
    }
    paid = {"id": request.payment_id, "amount": request.amount - fee, "type": "agent_payment"}
    stored = await store_payments.record_named(tx.conn, "bazaarbucks", new_id(), shared | paid)
    if stored is None:
        raise Conflict(TAKEN)
    if fee:
        kept = {"id": new_id(), "amount": fee, "type": "platform_fee"}
        await store_payments.record(tx.conn, "bazaarbucks", [shared | kept])
    return stored
