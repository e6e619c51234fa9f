"""Listing agents: the six of the first start, and whoever is registered later."""

from datetime import UTC, datetime
from typing import Any

from pydantic import HttpUrl, ValidationError

from chassis.amounts import plain_amount
from chassis.bus.envelopes import origin
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from chassis.observability.terminal import SHAPING, is_name, plain
from chassis.outbound import Outbound
from contracts.envelope import Envelope
from contracts.errors import BadAnswer, Invalid
from contracts.registry import AgentRegistered, AgentReply, AgentUpdated, RegisterAgent
from registry_svc import agents_http, store
from registry_svc.domain import Agent, base_url, words
from registry_svc.seeds import SEEDS, Seed

ASKED_FOR = ("name", "description", "skills", "base_price")
"""What an agent is asked for when the request leaves it out; capabilities may stay unknown."""
IN_DESCRIPTIONS = f"\n\t\u200c\u200d{SHAPING}"
"""Lines, what joins letters and pictures and what gives them their form; a name has none of it, so
that it looks like no other."""


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


def _seed_row(seed: Seed, url: HttpUrl) -> dict[str, Any]:
    return {
        "id": seed.id,
        "name": seed.name,
        "description": seed.description,
        "skills": list(seed.skills),
        "capabilities": list(seed.capabilities),
        "base_price": seed.base_price,
        "endpoint_url": base_url(url),
        "seed_url": base_url(url),
    }


async def register_agent(
    request: RegisterAgent,
    db: Database,
    http: Outbound,
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
    async with db.transaction(here) as tx:
        agent = await _list(tx, request, _given(request, url, info))
    return AgentReply(agent=agent.view())


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
    """The columns that are known now.

    Raises:
        Invalid: a text cannot be stored or a word is too long.
    """
    given = request.model_dump(by_alias=False, exclude_none=True, exclude={"id", "endpoint_url"})
    given["endpoint_url"] = url
    for name in {"skills", "capabilities"} & given.keys():
        given[name] = words(given[name])
    if given.get("skills") == []:
        raise Invalid("An agent needs at least one skill.")
    names = [*given.get("skills", []), *given.get("capabilities", [])]
    names += [given["name"]] if "name" in given else []
    if not all(map(is_name, names)):
        raise Invalid("A name, skill or capability is seen: no control or invisible characters.")
    if plain(text := given.get("description", ""), keep=IN_DESCRIPTIONS) != text:
        raise Invalid("A description has no control or invisible characters.")
    return given | (agents_http.interface(info) if info else {})


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
