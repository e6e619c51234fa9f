"""Negotiating: whom to ask for a lower price, and who does the work after that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from chat_svc.orchestrator import Round, ToolCall
from chat_svc.planner import money
from chat_svc.rules.memory import Choice, Kept, Step


class Deal(Kept):
    """How a negotiation ended; prices in BazaarBucks."""

    negotiation_id: str
    agreed: bool
    list_price: Decimal
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """Who does a step, and for how much as far as that is known.

    Attributes:
        deal: the agreement that fixes the price, if there is one.
    """

    step: Step
    choice: Choice
    price: Decimal
    deal: Deal | None = None


def offers(steps: Sequence[Step]) -> tuple[ToolCall, ...]:
    """A call for each price that is to be negotiated; none when all are taken as they are."""
    return tuple(
        ToolCall(_call_id(index), "negotiate_price", _input(step))
        for index, step in enumerate(steps)
        if step.max_offer is not None
    )


def _call_id(index: int) -> str:
    return f"n{index}"


def _input(step: Step) -> dict[str, Any]:
    return {"agent_id": step.choices[0].agent_id, "max_price": format(step.max_offer, "f")}


def deals(done: Round, steps: Sequence[Step]) -> dict[int, Deal]:
    """How the negotiations of a round ended, by the index of their step; failed ones are left out.

    A price that was not to be offered is no agreement.
    """
    contents = {result.call_id: result.content for result in done.results}
    found: dict[int, Deal] = {}
    for index, step in enumerate(steps):
        try:
            deal = Deal.model_validate_json(contents.get(_call_id(index), ""))
        except ValidationError:
            continue
        within = 0 < (deal.price or 0) <= (step.max_offer or 0)
        found[index] = deal.model_copy(update={"agreed": deal.agreed and within})
    return found


def settle(steps: Sequence[Step], made: Mapping[int, Deal], left: Decimal) -> list[Order]:
    """Decides who does each step, so that all together fits what is left of the budget.

    Where no price was agreed on, the agent may have to give way to a cheaper one.

    Returns:
        The cheapest orders there are, too dear as they may be, when none fit.
    """
    firsts = [_first(step, made.get(index)) for index, step in enumerate(steps)]
    frugal = [_cheapest(order) for order in firsts]
    changed = [
        cheap if first.deal is None and first.step.max_offer is not None else first
        for first, cheap in zip(firsts, frugal, strict=True)
    ]
    fitting = (orders for orders in (firsts, changed) if total(orders) <= left)
    return next(fitting, frugal)


def firm(steps: Sequence[Step], made: Mapping[int, Deal]) -> list[str]:
    """The agents that were asked for a lower price in vain."""
    asked = [index for index, step in enumerate(steps) if step.max_offer is not None]
    in_vain = (index for index in asked if index not in made or not made[index].agreed)
    return list(dict.fromkeys(steps[index].choices[0].agent for index in in_vain))


def total(orders: Sequence[Order]) -> Decimal:
    """What the orders cost together."""
    return sum((order.price for order in orders), Decimal(0))


def _first(step: Step, deal: Deal | None) -> Order:
    choice = step.choices[0]
    if deal is None:
        return Order(step, choice, choice.price)
    if deal.agreed and deal.price is not None:
        return Order(step, choice, deal.price, deal)
    return Order(step, choice, max(choice.price, deal.list_price))


def _cheapest(order: Order) -> Order:
    if order.step.by_name:
        return order
    others = [
        Order(order.step, choice, choice.price)
        for choice in order.step.choices[1:]
        if choice.available
    ]
    return min([order, *others], key=lambda one: one.price)


def notes(orders: Sequence[Order]) -> list[str]:
    """What the person is told about prices: who came down, who did not, who does it instead."""
    said = [_note(order) for order in orders if order.step.max_offer is not None]
    return list(dict.fromkeys(said))


def _note(order: Order) -> str:
    asked = order.step.choices[0].agent
    if order.choice is not order.step.choices[0]:
        return f"{asked} was too dear for the budget; {order.choice.agent} was asked instead."
    if order.deal is None:
        return f"{asked} kept to its price of {money(order.price)}."
    return f"{asked} agreed to {money(order.price)} instead of {money(order.deal.list_price)}."
