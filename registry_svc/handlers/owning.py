"""Listings and their owners: listed, changed, taken off the market for a while or for good.

The account that lists an agent owns it, and nobody else can have its id or its name, not even when
it is gone.
"""

from asyncio import Semaphore
from typing import Any

import structlog
from pydantic import HttpUrl

from chassis.bus.envelopes import new_id
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from chassis.outbound import Outbound
from contracts.envelope import Envelope
from contracts.errors import BadAnswer, Conflict, Invalid, NotFound
from contracts.listings import AgentRetired, AgentSuspended, ChangeListing, ListAgent, ListingFields
from contracts.registry import AgentReply, Protocol
from registry_svc import agents_http, reading, store, store_owned, wording
from registry_svc.agents_http import base_url
from registry_svc.domain import Agent
from registry_svc.handlers.listing import registered, updated
from registry_svc.readers.offer import Offer
from registry_svc.states import By, gone, may_become
from registry_svc.words import name_keys

log = structlog.get_logger()
NEEDED = ("name", "description", "skills", "base_price")
"""What no listing can be without."""
OF_FIELDS = set(ListingFields.model_fields)
LONGEST_SLUG = 48
CLOSED = "The account is closed; nothing of it comes onto the market."


async def list_agent(
    request: ListAgent, db: Database, http: Outbound, turns: Semaphore, here: Envelope
) -> AgentReply:
    """List an agent for the account that asks; what is left out, the agent is asked for.

    Raises:
        Conflict: the id or the name is somebody's.
        Invalid: something cannot be listed, or the agent had to be asked and does not say it.
    """
    url = placed(request.protocol, request.endpoint_url)
    await address(http, url)
    given = said(request, as_admin=request.as_admin)
    offer: Offer | None = None
    if any(name not in given for name in NEEDED):
        found = await reading.offers(http, url, request.protocol)
        offer = _of_tool(found, request.tool)
        await address(http, offer.endpoint_url)
    row = {
        "endpoint_url": url,
        "protocol": request.protocol,
        "tool": request.tool,
        "capabilities": [],
        **(reading.columns(offer) if offer else {}),
        **given,
        "state": request.state,
        "made_with": request.made_with,
        "overrides": sorted(given.keys() & set(reading.FOLLOWED)),
        "source_url": url,
    }
    async with turns, db.transaction(here) as tx:
        agent = await list_new(tx, request.agent_id, row, here.account)
    return AgentReply(agent=agent.view())


async def address(http: Outbound, url: str) -> None:
    """Whether an address may be listed.

    Raises:
        Invalid: it may not, or leads nowhere.
    """
    try:
        await agents_http.check_address(http, url)
    except BadAnswer as error:
        raise Invalid(error.message) from None


def said(fields: ListingFields, *, as_admin: bool) -> dict[str, Any]:
    """What an owner says, as columns.

    Raises:
        Invalid: something cannot be listed, or is an administrator's to say.
    """
    if fields.billing is not None and wording.is_tolerant(fields.billing) and not as_admin:
        raise Invalid(
            "billing.tolerance: only an administrator lets an agent bill above its quote."
        )
    found = fields.model_dump(by_alias=False, include=OF_FIELDS, exclude_none=True)
    if fields.billing is not None:
        found["billing"] = fields.billing.model_dump(mode="json", by_alias=False)
    return wording.checked(found)


def _of_tool(found: list[Offer], tool: str | None) -> Offer:
    """The offer that is meant.

    Raises:
        Invalid: none is, or it is not said which.
    """
    meant = [offer for offer in found if tool in (None, offer.tool)]
    if not meant:
        raise Invalid(f"tool: there is none of this name; there are {_names(found)}.")
    if len(meant) > 1:
        raise Invalid(f"tool: say which; there are {_names(found)}.")
    return meant[0]


def _names(found: list[Offer]) -> str:
    return ", ".join(str(offer.tool or offer.name)[:80] for offer in found[:20])


async def list_new(tx: Transaction, agent_id: str | None, row: dict[str, Any], owner: str) -> Agent:
    """Store a listing, and say so when it is on the market.

    Raises:
        Conflict: the id or the name is somebody's, or the account is closed.
        Invalid: it says too little.
    """
    missing = [name for name in NEEDED if name not in row]
    if missing:
        raise Invalid(
            f"The agent does not say its {' and '.join(missing)}; say it in the request"
            f" ({', '.join('basePrice' if name == 'base_price' else name for name in missing)})."
        )
    if await store_owned.is_closed(tx.conn, owner):
        raise Conflict(CLOSED)
    id_ = agent_id or await _free_id(tx, row["name"])
    if id_ in wording.RESERVED:
        raise Invalid("id: this one is kept for something else.")
    await only_ours(tx, name_keys(id_, row["name"]), owner)
    for agent in await store.insert_new(tx.conn, [{**row, "id": id_, "owner": owner}]):
        if agent.on_sale:
            tx.publish(registered(agent))
        log.info("agent listed", agent_id=id_, state=agent.state)
        return agent
    known = await store.find(tx.conn, id_)
    if known and known.owner == owner and known.made_with and known.made_with == row["made_with"]:
        return known
    if known and known.state == "retired":
        raise Conflict(f"{id_} was retired, and its id stays its own: choose another id.")
    raise Conflict("An agent with this id is listed already.")


async def only_ours(tx: Transaction, keys: list[str], owner: str | None) -> None:
    """Keep names from being taken over.

    Raises:
        Conflict: somebody else's agent has one of them.
    """
    if taken := await store_owned.name_taken(tx.conn, keys, owner):
        raise Conflict(f"Another account's agent, {taken}, is called so.")


async def _free_id(tx: Transaction, name: str) -> str:
    """An id made of a name, with something behind it when it is taken."""
    slug = wording.slug(name, LONGEST_SLUG)
    taken = slug in wording.RESERVED or await store.known_ids(tx.conn, [slug])
    return f"{slug}-{new_id()[-6:]}" if taken else slug


async def change_listing(
    request: ChangeListing, db: Database, http: Outbound, turns: Semaphore, here: Envelope
) -> AgentReply:
    """Change a listing: what is given of it, where it is, its state.

    Raises:
        NotFound: there is none, or it is another account's.
        Conflict: its state forbids it, or the name is somebody's.
        Invalid: something cannot be listed; a reason is missing.
    """
    given = said(request, as_admin=request.as_admin)
    if request.tool is not None:
        given["tool"] = wording.checked({"tool": request.tool})["tool"]
    url = str(request.endpoint_url) if request.endpoint_url else None
    if url is not None:
        await address(http, url)
    async with turns, db.transaction(here) as tx:
        was = await store.find(tx.conn, request.agent_id, lock=True)
        if was is None or not (request.as_admin or was.owner == here.account):
            raise NotFound("Agent not found")
        by: By = "owner" if was.owner == here.account else "admin"
        if request.endpoint_url is not None:
            given["endpoint_url"] = placed(was.protocol, request.endpoint_url)
            given["source_url"] = given["endpoint_url"]
        if "name" in given:
            await only_ours(tx, name_keys(was.id, given["name"]), was.owner)
        changes = _changes(was, request, given) | may_become(was, request.state, by, request.reason)
        changes = {name: value for name, value in changes.items() if getattr(was, name) != value}
        if not changes:
            return AgentReply(agent=was.view())
        publishes = by == "owner" and changes.get("state") == "active"
        if publishes and await store_owned.is_closed(tx.conn, here.account):
            raise Conflict(CLOSED)
        if gone(was):
            raise Conflict("This agent is retired; nothing of it changes any more.")
        agent = await store.change(tx.conn, was.id, changes)
        if request.cleared:
            await store_owned.read_soon(tx.conn, was.id)
        tell(tx, was, agent, by)
    return AgentReply(agent=agent.view())


def placed(protocol: Protocol, url: HttpUrl) -> str:
    """An address as it is stored: what is appended to, or the very address that is called."""
    plain = base_url(url)
    return plain if protocol == "native" else str(url)


def _changes(was: Agent, request: ChangeListing, given: dict[str, Any]) -> dict[str, Any]:
    cleared = set(request.cleared)
    changes = dict(given)
    changes |= dict.fromkeys(cleared & {"limit_s", "at_once", "billing", "input_schema"})
    own = given.keys() & set(reading.FOLLOWED)
    if own or cleared:
        changes["overrides"] = sorted((reading.kept(was) | own) - cleared)
    return changes


def tell(tx: Transaction, was: Agent, agent: Agent, by: By) -> None:
    """Publish what became of a listing; of a draft nobody is told."""
    about = {"agent_id": agent.id, "name": agent.name, "owner": agent.owner, "by": by}
    if agent.state == "retired" and was.state != "retired":
        if was.state != "draft":
            tx.publish(AgentRetired(**about, reason=agent.state_reason))
    elif agent.state == "suspended" and (was.state, was.barred) != (agent.state, agent.barred):
        tx.publish(AgentSuspended(**about, reason=agent.state_reason or ""))
    elif was.state == "draft" and agent.on_sale:
        tx.publish(registered(agent))
    elif agent.state != "draft":
        tx.publish(updated(agent))
    if was.state != agent.state:
        log.info(
            "listing changed its state",
            agent_id=agent.id,
            was=was.state,
            state=agent.state,
            by=by,
            reason=agent.state_reason,
        )
