"""Holds for steps that nobody has heard of, and their end."""

from typing import Any

from chassis.bus.envelopes import enclose, new_id, origin
from contracts.payment import PLACE_HOLD
from contracts.task_events import StepFailed
from tests.support.polling import eventually
from tests.support.system import System

HELD = "SELECT status, running, ask_at FROM payment.holds WHERE id = $1"
OLD = "UPDATE payment.holds SET created_at = now() - interval '1 day', ask_at = NULL WHERE id = $1"


async def hold(system: System, account: str) -> str:
    """Money that is held for a step that nobody has heard of, which is its task too."""
    id_ = f"step-{new_id()[:10]}"
    asked = {"task_id": id_, "agent_id": "a", "amount": "1", "max_budget": "5"}
    await system.ask(PLACE_HOLD, account, hold_id=id_, **asked)
    return id_


async def let_go(system: System, account: str, *ids: str) -> None:
    """Say as the task service that steps came to nothing, and wait until it was heard."""
    client = await system.bus.client()
    for id_ in ids:
        failed = StepFailed(
            task_id=id_, step_id=id_, agent_id="a", reason="cancelled", error="", started=False
        )
        sent = enclose(failed, "task", origin("task", "test", account), None)
        await client.jetstream().publish(sent.subject, sent.body, headers=sent.headers)

    async def free() -> bool:
        return all([(await hold_of(system, id_))["status"] == "released" for id_ in ids])

    await eventually(free)


async def hold_of(system: System, step_id: str) -> Any:
    (row,) = await system.rows(HELD, step_id)
    return row
