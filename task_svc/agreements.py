"""What gives a step its agreed price: an agreement that is its own, and nobody else's."""

from sqlalchemy.ext.asyncio import AsyncConnection

from task_svc import store_negotiations as store
from task_svc.domain import Agreement, Quote, shown
from task_svc.rows import Step
from task_svc.store import Found


class Unusable(Exception):
    """An agreement is not for this step; the message says why, for people."""

    def __init__(self, message: str) -> None:
        """Say why."""
        super().__init__(message)
        self.message = message


async def use(conn: AsyncConnection, step: Step) -> Agreement:
    """Take the agreement that a step was ordered with.

    It is good for one step; one whose step failed was not used up, as nothing was paid.

    Raises:
        Unusable: there is none, or not for this step.
    """
    id_ = step.negotiation_id
    known = await store.find_agreement(conn, step.account, id_) if id_ else None
    if known is None:
        raise Unusable(f"There is no agreement {id_}.")
    if why := _why_not(known, step):
        raise Unusable(why)
    await store.use(conn, step.account, known.id, step.id)
    list_price = Quote.model_validate(known.quote).dynamic_price
    return Agreement(price=known.price, list_price=list_price)


def _why_not(known: Found, step: Step) -> str | None:
    if known.agent_id != step.agent_id:
        return "The agreed price is that of another agent."
    if known.task_id != step.task_id:
        return "The agreed price is that of another task."
    if known.price is None:
        return "No price was agreed on with this agent."
    if known.step_id not in (None, step.id) and known.used_by != "failed":
        return "The agreed price was used for another step."
    if step.max_price is not None and known.price > step.max_price:
        return f"The agreed {shown(known.price)} are more than {shown(step.max_price)}."
    return None
