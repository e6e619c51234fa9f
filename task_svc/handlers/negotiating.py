"""Asking an agent for a lower price, in rounds.

Each offer follows from what is stored: the quote, the limit, and the rounds before. So whoever
takes up a negotiation that was interrupted makes the same offer again, and of two who do it at the
same time one records the round and the other goes on from there.
"""

from collections.abc import Sequence

from chassis.db.database import Database
from contracts.envelope import Envelope
from contracts.errors import Conflict
from contracts.negotiation import Negotiate, Negotiated, Offer, PriceNegotiated
from task_svc import store_negotiations as store
from task_svc.agents import Agents
from task_svc.answers import AgentFailure
from task_svc.domain import Quote, Verdict, next_offer, shown, verdict
from task_svc.quotes import Quotes
from task_svc.shares import Shares
from task_svc.store import Found

Step = tuple[Sequence[Offer], Verdict | None]
"""The rounds so far, and how it ended if it did."""


async def negotiate(
    request: Negotiate,
    db: Database,
    agents: Agents,
    quotes: Quotes,
    shares: Shares,
    here: Envelope,
) -> Negotiated:
    """Negotiate with an agent to the end, from wherever an earlier request left it.

    Raises:
        NotFound: no such agent.
        Conflict: the id is that of another negotiation.
        Unavailable: the agent or the account has its share of calls under way; nothing was stored.
    """
    with shares.calling(request.agent_id, here.account):
        return await _negotiated(request, db, agents, quotes, here)


async def _negotiated(
    request: Negotiate, db: Database, agents: Agents, quotes: Quotes, here: Envelope
) -> Negotiated:
    found = await _opened(request, db, quotes, here)
    while found.status == "open":
        offers, ending = await _round(found, agents, here)
        async with db.transaction(here) as tx:
            recorded = await store.record(tx.conn, found, offers, **_columns(ending))
            if recorded is None:
                recorded = await store.find(tx.conn, here.account, found.id)
            elif ending is not None:
                tx.publish(_event(recorded))
        if recorded is None:
            raise LookupError(f"negotiation {found.id} is gone")
        found = recorded
    return Negotiated(**_facts(found), message=found.message)


async def _opened(request: Negotiate, db: Database, quotes: Quotes, here: Envelope) -> Found:
    """The stored negotiation, with the quote that it began with."""
    async with db.transaction(here) as tx:
        found = await store.find(tx.conn, here.account, request.negotiation_id)
    if found is None:
        quote = await quotes.of(request.agent_id, here)
        async with db.transaction(here) as tx:
            found = await store.insert(
                tx.conn,
                id=request.negotiation_id,
                account=here.account,
                quote=quote.model_dump(mode="json"),
                **request.model_dump(exclude={"negotiation_id"}, by_alias=False),
            ) or await store.find(tx.conn, here.account, request.negotiation_id)
    if found is None:
        raise LookupError(f"negotiation {request.negotiation_id} is gone")
    asked = Negotiate(
        negotiation_id=found.id,
        task_id=found.task_id,
        agent_id=found.agent_id,
        max_price=found.max_price,
        turn_id=found.turn_id,
    )
    if asked != request:
        raise Conflict("This id is that of another negotiation.")
    return found


async def _round(known: Found, agents: Agents, here: Envelope) -> Step:
    """Make the next offer, unless there is none to be made."""
    quote, offers = Quote.model_validate(known.quote), _offers(known)
    name, list_price = quote.agent_name, quote.dynamic_price
    if not quote.negotiable:
        return offers, Verdict(
            None, f"{name} does not negotiate; its price is {shown(list_price)}."
        )
    price = next_offer(list_price, known.max_price, len(offers))
    if price is None:
        return offers, Verdict(None, f"There is nothing to offer {name} for {shown(list_price)}.")
    number = len(offers) + 1
    try:
        reply = await agents.offer(
            quote.endpoint_url, price, number, f"{known.id}-{number}", here.traceparent
        )
        if reply is None:
            return await _from_price_list(known, quote, offers, agents, here)
    except AgentFailure as failure:
        words = f"{failure.message} The price of {name} is {shown(list_price)}."
        return offers, Verdict(None, words)
    made = Offer(
        round=number,
        offered=price,
        accepted=reply.accepted,
        counter=reply.counter_offer,
        message=reply.message or "",
    )
    offers = [*offers, made]
    return offers, verdict(name, list_price, known.max_price, offers)


async def _from_price_list(
    known: Found, quote: Quote, offers: Sequence[Offer], agents: Agents, here: Envelope
) -> Step:
    """Settle with an agent that takes no offers on the least that it says it works for."""
    name, list_price = quote.agent_name, quote.dynamic_price
    listed = await agents.price_list(quote.endpoint_url, here.traceparent)
    least = listed.min_price if listed is not None and listed.negotiable else None
    if listed is None or not least or least >= list_price:
        return offers, Verdict(None, f"{name} takes no offers; its price is {shown(list_price)}.")
    within = least <= known.max_price
    asked = Offer(
        round=len(offers) + 1,
        offered=min(least, known.max_price),
        accepted=within,
        counter=None if within else least,
        message=listed.reason or "",
    )
    offers = [*offers, asked]
    if within:
        return offers, verdict(name, list_price, known.max_price, offers)
    return offers, Verdict(None, f"{name} works for no less than {shown(least)}.")


def _offers(known: Found) -> list[Offer]:
    return [Offer.model_validate(one) for one in known.offers]


def _columns(ending: Verdict | None) -> dict[str, object]:
    if ending is None:
        return {}
    status = "not_agreed" if ending.price is None else "agreed"
    return {"status": status, "price": ending.price, "message": ending.message}


def _facts(known: Found) -> dict[str, object]:
    quote = Quote.model_validate(known.quote)
    return {
        "negotiation_id": known.id,
        "task_id": known.task_id,
        "agent_id": known.agent_id,
        "agent_name": quote.agent_name,
        "agreed": known.price is not None,
        "list_price": quote.dynamic_price,
        "price": known.price,
        "offers": _offers(known),
    }


def _event(known: Found) -> PriceNegotiated:
    return PriceNegotiated(**_facts(known), turn_id=known.turn_id)
