"""Finding agents, and choosing among them; nothing here changes anything."""

import re
from collections.abc import Sequence
from decimal import Decimal

from chassis.db.pages import decode_cursor, encode_cursor, fitting
from chassis.handling.injection import Reading
from chassis.handling.listing import Listed
from contracts.envelope import Envelope
from contracts.errors import Invalid
from contracts.listings import Choice, ChooseAgents, FindAgents
from contracts.registry import AgentList
from registry_svc import choosing, store_finding
from registry_svc.choosing import Weights
from registry_svc.domain import Agent
from registry_svc.handlers.queries import AGENTS
from registry_svc.store_finding import Place
from registry_svc.words import MOST_OF_A_WORD, roots, whole

MOST_ROOTS = 12
"""Words of a search that count; the others are as good as not said."""
_PLACE = re.compile(r"([0-9]{1,8}(?:\.[0-9]{1,6})?)\n([0-9]{1,18})", re.ASCII)


async def find_agents(request: FindAgents, tx: Reading, here: Envelope) -> Listed[AgentList]:
    """Agents that fit; fewer than asked for when they are heavy.

    Raises:
        Invalid: the cursor is not one of ours.
    """
    agents: Sequence[Agent] = ()
    words = roots(request.q or "")[:MOST_ROOTS]
    if words or not request.q:
        if request.skill:
            words.append(whole(request.skill))
        owner = None if request.owner is None else (request.owner, request.owner == here.account)
        sort, limit, after = request.sort, request.limit, _place(request.cursor)
        agents = await store_finding.page(tx.conn, request, words, owner, sort, after, limit)

    def behind(_: Sequence[object], shown: int) -> str | None:
        if shown == len(agents):
            return None
        last = agents[shown - 1]
        key = format(store_finding.sort_key(last, request.sort), "f")
        return encode_cursor(key, str(last.seq))

    return Listed(AGENTS, [agent.view() for agent in agents], request.limit, behind)


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    found = _PLACE.fullmatch("\n".join(decode_cursor(cursor, 2)))
    if found is None:
        raise Invalid("The cursor is not one of ours.")
    return Place(Decimal(found[1]), int(found[2]))


async def choose_agents(request: ChooseAgents, tx: Reading, weights: Weights) -> Choice:
    """Who could be chosen, best first, with scores and a reason."""
    words = list(dict.fromkeys(root for said in request.words for root in roots(said)))
    words = [word[:MOST_OF_A_WORD] for word in words]
    wanted = [whole(request.skill)] if request.skill else words
    found = await store_finding.candidates(
        tx.conn, wanted, request.agent_ids, request.sample, request.max_price, away=request.away
    )
    agents = [(agent.seq, agent.view()) for agent in found]
    ranked = choosing.ranked(agents, words, request.skill, weights)
    shown = fitting(ranked[: request.limit])
    return Choice(candidates=shown, reason=choosing.why(ranked, request.skill, request.max_price))
