"""What is left of a turn's budget, and what of it is for the language model."""

from contextlib import suppress
from decimal import Decimal

from chassis.bus.calls import Bus
from chassis.db.database import Database
from chat_svc import store_rounds
from chat_svc.settings import Settings
from chat_svc.store import Found
from chat_svc.turn import worth
from contracts.envelope import Envelope
from contracts.errors import NotFound, Refusal
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


async def charge_at_the_end(
    turn: Found, db: Database, bus: Bus, here: Envelope, settings: Settings
) -> Decimal:
    """BazaarBucks that the user pays for the language model when a turn is ended from outside."""
    if not settings.charge_llm or turn.status == "settling":
        return Decimal(0)
    async with db.transaction(reads=True) as tx:
        used = await store_rounds.tokens_of(tx.conn, turn.id)
    left: Decimal = turn.max_budget
    if used:
        with suppress(Refusal):  # Then it is for payment to say whether it is covered.
            left = await money_left(bus, turn, here.for_ever(), without_held=True)
    return worth(used, left, settings)
