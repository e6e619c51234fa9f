"""An owner that is away, or too old to know the question, is asked later; nothing changes."""

from payment_svc.check.reconcile import ask_after_steps
from payment_svc.settings import Settings
from registry_svc.handlers.reconcile import count_again
from tests.reconcile.holding import OLD, hold, hold_of, let_go
from tests.support.services import payment_service, registry_service
from tests.support.stack import Stack, running
from tests.support.system import listening

BUSY = "UPDATE registry.agents SET active = 5 WHERE id = 'summarizer' RETURNING active"


async def test_while_nobody_answers_nothing_changes(stack: Stack) -> None:
    payment = payment_service(stack, reconcile_s=86_400)
    registry = registry_service(stack, reconcile_s=86_400)
    async with running(registry, payment), listening(stack, payment) as system:
        account = await system.account()
        id_ = await hold(system, account)
        await system.rows(OLD, id_)
        await ask_after_steps(payment.database, payment.bus, Settings(reconcile_s=3600))
        row = await hold_of(system, id_)
        assert (row["status"], row["running"]) == ("held", False)
        assert row["ask_at"] is not None
        assert len(await system.rows(BUSY)) == 1
        await count_again(registry.database, registry.bus)
        (agent,) = await system.rows("SELECT active FROM registry.agents WHERE id = 'summarizer'")
        assert agent["active"] == 5
        await system.rows("UPDATE registry.agents SET active = 0 WHERE id = 'summarizer'")
        await let_go(system, account, id_)
