"""Listing agents: the six of the first start, and whoever is registered later."""

from asyncio import Semaphore
from datetime import UTC, datetime
from typing import Any

from pydantic import HttpUrl, ValidationError

from chassis.amounts import plain_amount
from chassis.bus.envelopes import origin
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from chassis.outbound import Outbound
from contracts.envelope import Envelope
from contracts.errors import BadAnswer
from contracts.registry import (
    AgentRegistered,
    AgentReply,
    AgentUpdated,
    Billing,
    RegisterAgent,
)
from registry_svc import agents_http, store, wording
from registry_svc.agents_http import base_url
from registry_svc.domain import Agent
from registry_svc.seeds import SEEDS, Seed

ASKED_FOR = ("name", "description", "skills", "base_price")
"""What an agent is asked for when the request leaves it out; capabilities may stay unknown."""
LISTED_AT_ONCE = 4
"""Listings that a replica stores at the same time. They wait for each other, by name and
account, and each that waits keeps a connection that a call of an agent wants."""


async def list_seeds(db: Database, urls: dict[str, HttpUrl]) -> None:
    """List the six agents of the first start; later, follow the environment's changed URLs.

    Of replicas that start at once, one lists them. What was changed since is left as it is.
    """
    async with db.transaction(origin("registry", "seeds")) as tx:
        known = await store.known_ids(tx.conn, [seed.id for seed in SEEDS])
        fresh = [_seed_row(seed, urls[seed.id]) for seed in SEEDS if seed.id not in known]
        for agent in await store.insert_new(tx.conn, fresh):
            tx.publish(registered(agent))
        for seed in SEEDS:
            if moved := await store.move_seed(tx.conn, seed.id, base_url(urls[seed.id])):
                tx.publish(updated(moved))
            # Of the release before, which did not say how agents bill.
            if told := await store.declare_billing(tx.conn, seed.id, shown_billing(seed.billing)):
                tx.publish(updated(told))


def _seed_row(seed: Seed, url: HttpUrl) -> dict[str, Any]:
    return {
        "id": seed.id,
        "name": seed.name,
        "description": seed.description,
        "skills": list(seed.skills),
        "capabilities": list(seed.capabilities),
        "base_price": seed.base_price,
        "billing": shown_billing(seed.billing),
        "endpoint_url": base_url(url),
        "seed_url": base_url(url),
    }


async def register_agent(
    request: RegisterAgent,
    db: Database,
    http: Outbound,
    turns: Semaphore,
    here: Envelope,
) -> AgentReply:
    """List an agent, or change its listing; what is left out is asked of the agent first.

    Raises:
        BadAnswer: its host has no address; or it had to be asked, and does not answer or say it.
        Invalid: the URL or a word cannot be listed, or its address may not be called.
    """
    url = base_url(request.endpoint_url)
    await agents_http.check_address(http, url)
    info: dict[str, Any] = {}
    if any(getattr(request, name) is None for name in ASKED_FOR):
        info = await agents_http.ask_info(http, url, agents_http.LISTING_TIMEOUT_S)
        request = _completed(request, info)
    async with turns, db.transaction(here) as tx:
        agent = await _list(tx, request, _given(request, url, info))
    return AgentReply(agent=agent.view())


def shown_billing(billing: Billing) -> dict[str, Any]:
    """How an agent bills, as it is stored."""
    return billing.model_dump(mode="json")


def _completed(request: RegisterAgent, info: dict[str, Any]) -> RegisterAgent:
    """The request with what it leaves out taken from the agent's own words."""
    said = {name: info[name] for name in (*ASKED_FOR, "capabilities") if name in info}
    try:
        if "base_price" in said:
            said["base_price"] = plain_amount(said["base_price"])
    except ValueError as error:
        raise BadAnswer(f"What the agent says of its price cannot be listed: {error}.") from None
    try:
        return RegisterAgent.model_validate(
            said | request.model_dump(by_alias=False, exclude_none=True)
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise BadAnswer(
            f"What the agent says of its {first['loc'][0]} cannot be listed: {first['msg']}."
        ) from None


def _given(request: RegisterAgent, url: str, info: dict[str, Any]) -> dict[str, Any]:
    """The columns that are known now."""
    given = request.model_dump(by_alias=False, exclude_none=True, exclude={"id", "endpoint_url"})
    if request.billing is not None:
        given["billing"] = shown_billing(request.billing)
    found = wording.checked({**given, "endpoint_url": url})
    return found | (agents_http.interface(info) if info else {})


async def _list(tx: Transaction, request: RegisterAgent, given: dict[str, Any]) -> Agent:
    while (known := await store.find(tx.conn, request.id, lock=True)) is None:
        if fresh := await _list_new(tx, request.id, given):
            return fresh
    changed = {name: value for name, value in given.items() if getattr(known, name) != value}
    if not changed:
        return known
    agent = await store.change(tx.conn, request.id, changed)
    tx.publish(updated(agent))
    return agent


async def _list_new(tx: Transaction, agent_id: str, given: dict[str, Any]) -> Agent | None:
    """List an agent for the first time; None when someone else just did."""
    missing = [name for name in ASKED_FOR if name not in given]
    if missing:
        raise BadAnswer(f"The agent does not say its {' and '.join(missing)}.")
    rows = [{"id": agent_id, "capabilities": [], **given}]
    for agent in await store.insert_new(tx.conn, rows):
        tx.publish(registered(agent))
        return agent
    return None


def registered(agent: Agent) -> AgentRegistered:
    """The event that says that an agent was listed."""
    return AgentRegistered(
        agent_id=agent.id,
        name=agent.name,
        skills=agent.skills,
        base_price=agent.base_price,
        endpoint_url=agent.endpoint_url,
        owner=agent.owner,
        told_at=datetime.now(UTC),  # Its row is locked, so whoever changes it next is later.
    )


def updated(agent: Agent) -> AgentUpdated:
    """The event that says that an agent's listing changed."""
    return AgentUpdated.model_validate(registered(agent).model_dump(by_alias=False))
