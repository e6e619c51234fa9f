"""An owner that is away, or too old to know the question, is asked later; nothing changes."""

from chassis.envelopes import new_id
from contracts.payment import PLACE_HOLD
from payment_svc.handlers.reconcile import ask_after_steps
from payment_svc.settings import Settings
from registry_svc.handlers.reconcile import count_again
from tests.conftest import Stack, running
from tests.task.services import payment_service, registry_service
from tests.task.system import listening

BUSY = "UPDATE registry.agents SET active = 5 WHERE id = 'summarizer' RETURNING active"


async def test_while_nobody_answers_nothing_changes(stack: Stack) -> None:
    payment = payment_service(stack, reconcile_s=86_400)
    registry = registry_service(stack, reconcile_s=86_400)
    id_ = f"step-{new_id()[:10]}"
    async with running(registry, payment), listening(stack, payment) as system:
        account = await system.account()
        asked = {"task_id": id_, "agent_id": "a", "amount": "0", "max_budget": "5"}
        await system.ask(PLACE_HOLD, account, hold_id=id_, **asked)
        await system.rows("UPDATE payment.holds SET created_at = 'epoch' WHERE id = $1", id_)
        await ask_after_steps(payment.database, payment.bus, Settings(reconcile_s=3600))
        query = "SELECT status, running, ask_at > now() AS later FROM payment.holds WHERE id = $1"
        assert [tuple(row) for row in await system.rows(query, id_)] == [("held", False, True)]
        assert len(await system.rows(BUSY)) == 1
        await count_again(registry.database, registry.bus)
        (agent,) = await system.rows("SELECT active FROM registry.agents WHERE id = 'summarizer'")
        assert agent["active"] == 5
        await system.rows("UPDATE registry.agents SET active = 0 WHERE id = 'summarizer'")
        await system.rows("UPDATE payment.holds SET status = 'released' WHERE id = $1", id_)
