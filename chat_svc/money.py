"""What is left of a turn's budget, as the task service knows it."""

from decimal import Decimal

from chassis.bus import Bus
from chat_svc.store import Found
from contracts.envelope import Envelope
from contracts.errors import NotFound
from contracts.task import GET_TASK, GetTask


async def money_left(bus: Bus, turn: Found, here: Envelope) -> Decimal:
    """BazaarBucks of the budget that are not spent.

    Raises:
        Refusal: the task service cannot be asked.
    """
    budget: Decimal = turn.max_budget
    if not turn.task_begun:
        return budget
    try:
        task = (await bus.ask(GET_TASK, GetTask(task_id=turn.task_id), here)).task
    except NotFound:  # It is ordered, but not made yet.
        return budget
    return max(Decimal(0), budget - task.total_cost)
