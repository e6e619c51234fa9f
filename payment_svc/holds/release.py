"""step.failed: the step's hold is released, or what it paid is given back. Exactly once."""

from chassis.bus.envelopes import new_id
from chassis.db.transaction import Transaction
from contracts.envelope import Envelope
from contracts.payment import HoldReleased
from contracts.task import OWN_FAULTS
from contracts.task_events import StepFailed
from payment_svc.holds import store, store_budgets
from payment_svc.holds.refund import give_back_all
from payment_svc.payouts import store_owners
from payment_svc.spending.approvals import on_step_over


async def on_step_failed(event: StepFailed, tx: Transaction, here: Envelope) -> None:
    """Release the step's hold; everything that was set aside comes free."""
    hold = await store.resolve_released(
        tx.conn, event.step_id, here.account, event.task_id, event.agent_id
    )
    if event.started and event.reason in OWN_FAULTS:
        await store_owners.note_fault(
            tx.conn, event.step_id, event.task_id, event.agent_id, here.account
        )
    if not event.started:
        await on_step_over(tx, event.step_id)
    if hold is None:
        await _refund_voided(event, tx)
        return
    if not hold.held:
        return
    await store_budgets.settle(tx.conn, [store.Settlement(hold)])
    tx.publish(
        HoldReleased(task_id=hold.task_id, hold_id=hold.id, amount=hold.held), account=hold.account
    )


async def _refund_voided(event: StepFailed, tx: Transaction) -> None:
    """A step that was paid and then came to nothing after all is paid back, with its purchase."""
    hold = await store.find_hold(tx.conn, event.step_id, lock=True)
    if hold is None:
        return
    if hold.captured > hold.refunded or hold.external > hold.external_refunded:
        await give_back_all(tx, hold, refund_id=new_id())
