"""Messages about prices that are agreed on before the work."""

from pydantic import Field

from contracts.base import Call, Id, Model, Money, TaskEvent

MAX_ROUNDS = 3
"""Offers that are made to an agent, at most."""


class Offer(Model):
    """One round: what was offered, and what the agent said; prices in BazaarBucks."""

    round: int = Field(ge=1, le=MAX_ROUNDS)
    offered: Money
    accepted: bool
    counter: Money | None = None
    message: str = ""


class Negotiate(Model):
    """Asks an agent for a lower price; the same id again answers the same.

    Attributes:
        negotiation_id: chosen by the caller.
        task_id: the task that the price is for; it may not exist yet.
        max_price: BazaarBucks; no offer is higher.
    """

    negotiation_id: Id
    task_id: Id
    agent_id: Id
    max_price: Money
    turn_id: Id | None = None


class Negotiated(Model):
    """How a negotiation ended.

    Attributes:
        list_price: what the agent cost without it.
        price: what was agreed on; None when nothing was.
        offers: the rounds, in order; none when the agent does not negotiate.
        message: a sentence for people.
    """

    negotiation_id: Id
    task_id: Id
    agent_id: Id
    agent_name: str
    agreed: bool
    list_price: Money
    price: Money | None = None
    offers: list[Offer] = Field(default_factory=list, max_length=MAX_ROUNDS)
    message: str


class PriceNegotiated(TaskEvent):
    """A negotiation ended, with a price or without."""

    type = "price.negotiated"
    negotiation_id: Id
    agent_id: Id
    agent_name: str
    agreed: bool
    list_price: Money
    price: Money | None = None
    offers: list[Offer] = Field(default_factory=list, max_length=MAX_ROUNDS)
    turn_id: Id | None = None


NEGOTIATE = Call("task", "negotiate", Negotiate, Negotiated, timeout_ms=45_000)
