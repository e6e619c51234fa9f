"""What is left of a turn's budget, as the task service knows it."""

from decimal import Decimal

from chassis.bus import Bus
from chat_svc.store import Found
from contracts.envelope import Envelope
from contracts.errors import NotFound
from contracts.task import GET_TASK, GetTask


async def money_left(
    bus: Bus, turn: Found, here: Envelope, *, without_held: bool = False
) -> Decimal:
    """BazaarBucks of the budget that are not spent; `without_held`, nor set aside.

    Raises:
        Refusal: the task service cannot be asked.
    """
    budget: Decimal = turn.max_budget
    if not turn.task_begun:
        return budget
    try:
        question = GetTask(task_id=turn.task_id, with_left=without_held)
        reply = await bus.ask(GET_TASK, question, here)
    except NotFound:  # It is ordered, but not made yet.
        return budget
    task = reply.task
    if reply.left is not None:
        # The task hears of a larger budget with the next steps only.
        return reply.left + max(Decimal(0), budget - task.max_budget)
    return max(Decimal(0), budget - task.total_cost)
