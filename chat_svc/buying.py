"""The gate at the door: orders of either orchestrator are held against what the person said."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from chat_svc.domain import StoredCall
from chat_svc.planner import Candidate, Purchase, Reason, cap_of, kind_of, objections, text_in, told


def gated(
    calls: Sequence[StoredCall],
    before: Sequence[StoredCall],
    agents: Sequence[Candidate],
    said: str,
) -> tuple[list[StoredCall], dict[str, str]]:
    """The calls with what they may cost at most, and why some of them are not to be bought.

    Args:
        calls: of a move, checked; those without work buy nothing.
        before: calls of the turn's earlier moves.
        agents: the marketplace, with prices.
        said: what the person typed.

    Returns:
        The calls, and a sentence by the id of each that is refused.
    """
    orders = [call for call in calls if call.work is not None]
    if not orders:
        return list(calls), {}
    prices = {agent.id: max(agent.dynamic_price, Decimal(0)) for agent in agents}
    spent = [call for call in before if call.work is not None and call.work.finished is not False]
    bought = {call.id: _purchase(call, prices, before) for call in (*spent, *orders)}
    refused: dict[str, str] = {}
    found = objections(said, list(bought.values()), whole=False)
    for call in orders:
        own = objections(said, [bought[call.id]], whole=False)
        why = [one for one in found if one.reason in (Reason.OVER_CAP, Reason.ABOUT_US)]
        if why or own:
            refused[call.id] = told(list(dict.fromkeys([*why, *own])))
    cap = cap_of(said)
    if cap is None:
        return list(calls), refused
    total = sum((one.price for one in bought.values()), Decimal(0))
    rest = {id_: cap - (total - one.price) for id_, one in bought.items()}
    return [_capped(call, rest.get(call.id)) for call in calls], refused


def _purchase(
    call: StoredCall, prices: Mapping[str, Decimal], before: Sequence[StoredCall]
) -> Purchase:
    work = call.work
    if work is None:
        raise ValueError(f"call {call.id} buys nothing")
    text = text_in(work.agent.payload)
    agreed = _agreed(work.negotiation_id, before)
    price = prices.get(work.agent.agent_id, Decimal(0)) if agreed is None else agreed
    return Purchase(kind_of(work.skill), text if isinstance(text, str) else None, price)


def _agreed(negotiation_id: str | None, before: Sequence[StoredCall]) -> Decimal | None:
    """The price that a negotiation of this turn came to."""
    for call in before if negotiation_id else ():
        if call.tool == "negotiate_price" and call.content and not call.error:
            found = json.loads(call.content)
            if found["negotiation_id"] == negotiation_id and found["agreed"]:
                return Decimal(found["price"]) if found.get("price") else None
    return None


def _capped(call: StoredCall, most: Decimal | None) -> StoredCall:
    """The call, to cost no more than what a person named leaves for it."""
    if call.work is None or most is None or most <= 0:
        return call
    lower = most if call.work.max_price is None else min(most, call.work.max_price)
    return replace(call, work=call.work.model_copy(update={"max_price": lower}))
