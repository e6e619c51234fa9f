"""Listings from what agents say of themselves: at first, and again and again."""

import asyncio
from datetime import timedelta

import structlog

from chassis.bus.envelopes import origin
from chassis.db.database import Database
from chassis.db.pages import fitting
from chassis.db.transaction import Transaction
from chassis.outbound import Outbound
from contracts.envelope import Envelope
from contracts.errors import Invalid, Refusal
from contracts.listings import MOST_OFFERS, ImportAgents
from contracts.registry import AgentList
from registry_svc import reading, store, store_owned, store_words, wording
from registry_svc.agents_http import base_url
from registry_svc.domain import Agent
from registry_svc.handlers.listing import updated
from registry_svc.handlers.owning import address, list_new, only_ours
from registry_svc.readers.offer import Offer
from registry_svc.words import name_keys

log = structlog.get_logger()
AT_ONCE = 8
"""Agents whose own word is read at the same time."""
LOOK_S = 2.0
"""Seconds between two looks whose own word is to be read."""
LONGEST_PREFIX = 30
LONGEST_TOOL = 24


async def import_agents(
    request: ImportAgents, db: Database, http: Outbound, turns: asyncio.Semaphore, here: Envelope
) -> AgentList:
    """List what is found at a URL, and bring up to date what is listed from there already.

    Raises:
        Conflict: an id or a name is somebody's.
        Invalid: nothing can be listed from there, or not all of it; nothing is stored.
    """
    plain = base_url(request.url)
    # The slash behind a path may mean something; the one behind a host never does.
    url = plain if request.url.path == "/" else str(request.url)
    await address(http, url)
    offers = _wanted(await reading.offers(http, url, request.protocol), request)
    for endpoint in dict.fromkeys(offer.endpoint_url for offer in offers):
        await address(http, endpoint)
    async with turns, db.transaction(here) as tx:
        known = await store_owned.imported_from(tx.conn, here.account, url)
        listed = [
            await _take(tx, offer, request, url, known, here.account, several=len(offers) > 1)
            for offer in offers
        ]
    return AgentList(agents=fitting([agent.view() for agent in listed]))


def _wanted(offers: list[Offer], request: ImportAgents) -> list[Offer]:
    """The offers that are asked for.

    Raises:
        Invalid: one of them is not there, or there are too many.
    """
    if request.tools is not None:
        there = {offer.tool for offer in offers}
        if missing := [tool for tool in request.tools if tool not in there]:
            raise Invalid(f"tools: {missing[0][:80]} is not offered there.")
        offers = [offer for offer in offers if offer.tool in request.tools]
    if len(offers) > MOST_OFFERS:
        raise Invalid(
            f"tools: {len(offers)} are offered there, and at most {MOST_OFFERS} are listed at once;"
            " say which."
        )
    return offers


async def _take(
    tx: Transaction,
    offer: Offer,
    request: ImportAgents,
    url: str,
    known: list[Agent],
    owner: str,
    *,
    several: bool,
) -> Agent:
    """List an offer, or bring its listing up to date."""
    for agent in known:
        if (agent.protocol, agent.tool) == (offer.protocol, offer.tool):
            return await follow(tx, agent, offer)
    row = {"capabilities": [], **reading.columns(offer)}
    overrides: list[str] = []
    if "base_price" not in row and request.base_price is not None:
        row["base_price"] = request.base_price
        overrides = ["base_price"]
    row |= {
        "state": request.state,
        "made_with": request.made_with,
        "overrides": overrides,
        "source_url": url,
    }
    return await list_new(tx, _id_of(offer, request, several=several), row, owner)


def _id_of(offer: Offer, request: ImportAgents, *, several: bool) -> str | None:
    if request.agent_id is None:
        return None
    if not several:
        return request.agent_id
    tool = wording.slug(offer.tool or offer.name, LONGEST_TOOL)
    return f"{request.agent_id[:LONGEST_PREFIX]}-{tool}"


async def follow(tx: Transaction, agent: Agent, offer: Offer) -> Agent:
    """Change a listing to what its agent says of itself now, but for what its owner gave.

    Raises:
        Conflict: it calls itself as somebody else's agent is called.
        Invalid: something cannot be listed.
    """
    changes = reading.followed(offer, agent)
    if "name" in changes and agent.owner is not None:
        await only_ours(tx, name_keys(agent.id, changes["name"]), agent.owner)
    if not changes:
        await store_words.put(tx.conn, agent)
        return agent
    changed = await store.change(tx.conn, agent.id, changes)
    if changed.state != "draft":
        tx.publish(updated(changed))
    log.info("listing follows its agent", agent_id=agent.id, changed=sorted(changes))
    return changed


async def read_due(db: Database, http: Outbound, every_s: float) -> None:
    """Read what agents say of themselves, for those whose turn it is, a few at a time."""
    while True:
        async with db.transaction() as tx:
            due = await store_owned.claim_unread(tx.conn, timedelta(seconds=every_s), AT_ONCE)
        await asyncio.gather(*(_read_again(db, http, agent) for agent in due))
        if len(due) < AT_ONCE:
            return


async def _read_again(db: Database, http: Outbound, agent: Agent) -> None:
    """Bring a listing up to date; an agent that says nothing, or nonsense, stays as it is."""
    if agent.state == "retired":
        return
    try:
        url = agent.source_url or agent.endpoint_url
        offers = await reading.offers(http, url, agent.protocol)
        offer = next((one for one in offers if agent.tool in (None, one.tool)), None)
        if offer is None:
            log.info("no longer offered", agent_id=agent.id, tool=agent.tool)
            return
        async with db.transaction(origin("registry", "read again")) as tx:
            now = await store.find(tx.conn, agent.id, lock=True)
            if now and now.endpoint_url == agent.endpoint_url and now.state != "retired":
                await follow(tx, now, offer)
    except Refusal as error:
        log.debug("nothing new of an agent", agent_id=agent.id, error=error)
    except Exception as error:  # noqa: BLE001  (it must not keep the others from being read)
        log.warning("reading an agent came to nothing", agent_id=agent.id, error=error)
