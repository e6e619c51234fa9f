"""step.failed: the step's hold is released. Exactly once."""

from chassis.delivery import Effect, Here
from contracts.payment import HoldReleased
from contracts.task import StepFailed
from payment_svc import store


async def on_step_failed(event: StepFailed, tx: Effect, here: Here) -> None:
    """Release the step's hold; everything that was set aside comes free."""
    hold = await store.resolve_released(
        tx.conn, event.step_id, here.account, event.task_id, event.agent_id
    )
    if hold is None or not hold.held:
        return
    await store.settle(tx.conn, [store.Settlement(hold)])
    tx.publish(
        HoldReleased(task_id=hold.task_id, hold_id=hold.id, amount=hold.held), account=hold.account
    )
