"""What happens to a hold when its step is over: captured, or released. Exactly once."""

from decimal import Decimal

import structlog

from chassis.delivery import Effect, Here
from chassis.envelopes import new_id
from contracts.errors import Invalid
from contracts.payment import (
    HoldOvercharged,
    HoldReleased,
    PaymentRecorded,
    StripePaymentUpdated,
)
from contracts.task import StepCompleted, StepFailed
from payment_svc import store
from payment_svc.domain import capture_postings, wallet_of

log = structlog.get_logger()


async def on_step_completed(event: StepCompleted, tx: Effect) -> None:
    """Capture the step's hold: pay the agent, book what it bought, free the rest.

    Raises:
        Invalid: there is no hold for the step, or less was held than it says it costs.
    """
    total = event.cost + event.external_cost
    refused = max(Decimal(0), event.billed - total)
    hold = await store.resolve_captured(
        tx.conn, event.step_id, event.cost, event.external_cost, refused
    )
    if hold is None:
        await _check_captured_before(tx, event)
        return
    wallet = wallet_of(hold.account)
    await store.settle_budget(tx.conn, hold.task_id, hold.held, total)
    await store.settle_wallet(tx.conn, wallet, hold.held, total)
    if total:
        postings = capture_postings(hold.account, event.agent_id, event.cost, event.external_cost)
        await store.credit(tx.conn, [p for p in postings if p.ledger_account != wallet])
        await store.post(
            tx.conn,
            store.Transfer(new_id(), "capture", postings, hold.task_id, event.step_id),
        )
    payment_id = new_id()
    if event.cost:
        await store.insert_bazaarbucks(
            tx.conn,
            id=payment_id,
            account=hold.account,
            task_id=hold.task_id,
            step_id=event.step_id,
            agent_id=event.agent_id,
            amount=event.cost,
            type="agent_payment",
        )
    if event.external_cost:
        await _spend_by_card(tx, event, hold)
    if refused:
        tx.publish(
            HoldOvercharged(
                task_id=hold.task_id,
                hold_id=hold.id,
                agent_id=event.agent_id,
                billed=event.billed,
                paid=total,
            ),
            account=hold.account,
        )
    tx.publish(
        PaymentRecorded(
            task_id=hold.task_id,
            payment_id=payment_id,
            step_id=event.step_id,
            agent_id=event.agent_id,
            amount=event.cost,
            external_amount=event.external_cost,
        ),
        account=hold.account,
    )


async def _check_captured_before(tx: Effect, event: StepCompleted) -> None:
    known = await store.find_hold(tx.conn, event.step_id)
    if known is None or known.status == "released":
        raise Invalid(f"step {event.step_id} is completed but has no open hold")
    if known.status == "held":
        raise Invalid(f"step {event.step_id} costs more than was held for it")
    log.info("hold was captured before", step_id=event.step_id)


async def _spend_by_card(tx: Effect, event: StepCompleted, hold: store.Found) -> None:
    """Record what the agent bought outside; the simulated rail completes at once."""
    card_id = new_id()
    vendor = event.vendor or event.agent_id
    await store.insert_stripe(
        tx.conn,
        id=card_id,
        account=hold.account,
        task_id=hold.task_id,
        step_id=event.step_id,
        agent_id=event.agent_id,
        vendor=vendor,
        amount=event.external_cost,
        status="completed",
        type="card_spend",
        rail="simulated",
    )
    tx.publish(
        StripePaymentUpdated(
            payment_id=card_id,
            task_id=hold.task_id,
            agent_id=event.agent_id,
            vendor=vendor,
            amount=event.external_cost,
            status="completed",
            payment_type="card_spend",
            rail="simulated",
        ),
        account=hold.account,
    )


async def on_step_failed(event: StepFailed, tx: Effect, here: Here) -> None:
    """Release the step's hold; everything that was set aside comes free."""
    hold = await store.resolve_released(
        tx.conn, event.step_id, here.account, event.task_id, event.agent_id
    )
    if hold is None or not hold.held:
        return
    await store.settle_budget(tx.conn, hold.task_id, hold.held, Decimal(0))
    await store.settle_wallet(tx.conn, wallet_of(hold.account), hold.held, Decimal(0))
    tx.publish(
        HoldReleased(task_id=hold.task_id, hold_id=hold.id, amount=hold.held), account=hold.account
    )
