"""Reading what is offered at a URL, whatever protocol it is said in."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from chassis.endings import end
from chassis.outbound import Outbound
from contracts.errors import BadAnswer, Invalid
from contracts.registry import Billing, Protocol
from registry_svc import agents_http, wording
from registry_svc.domain import Agent
from registry_svc.readers import a2a, info, mcp
from registry_svc.readers.offer import Offer

Reader = Callable[[Outbound, str, float], Awaitable[list[Offer]]]
READERS: dict[Protocol, Reader] = {"native": info.read, "a2a": a2a.read, "mcp": mcp.read}
"""In the order of preference, where several find something."""
MOST_READ_S = 12.0
"""For a reader with all its requests, and the import of its library the first time."""
MOST_NAME, MOST_DESCRIPTION, MOST_SKILLS = 200, 2_000, 50
FOLLOWED = (
    "name",
    "description",
    "skills",
    "capabilities",
    "base_price",
    "input_schema",
    "negotiable",
    "billing",
)
"""Columns that an agent's own word changes, unless its owner gave them."""


async def offers(http: Outbound, url: str, protocol: Protocol | None) -> list[Offer]:
    """What is offered at a URL, at least one thing.

    Raises:
        Invalid: nothing is, with what each protocol came to.
    """
    wanted = {name: read for name, read in READERS.items() if protocol in (None, name)}
    under_way = {name: asyncio.create_task(_read(read, http, url)) for name, read in wanted.items()}
    whys: list[str] = []
    try:
        for name, job in under_way.items():
            found = await job
            if not isinstance(found, str):
                return found
            whys.append(f"{name}: {found}")
    finally:
        for job in under_way.values():
            await end(job)
    raise Invalid(f"Nothing can be listed from {url}. {' '.join(whys)}")


async def _read(read: Reader, http: Outbound, url: str) -> list[Offer] | str:
    """What a reader finds, or why it finds nothing."""
    try:
        async with asyncio.timeout(MOST_READ_S):
            found = await read(http, url, agents_http.LISTING_TIMEOUT_S)
    except TimeoutError:
        return f"{url} does not answer within {MOST_READ_S:g} s."
    except BadAnswer as error:
        return error.message
    return found or "nothing is offered there."


def columns(offer: Offer) -> dict[str, Any]:
    """An offer as columns of a listing, those that it does not say left out.

    What is longer than a listing may be is cut.

    Raises:
        Invalid: something in it cannot be listed.
    """
    said = {
        "name": offer.name[:MOST_NAME],
        "description": wording.tidy(offer.description)[:MOST_DESCRIPTION],
        "skills": [skill[: wording.MOST_WORD] for skill in offer.skills[:MOST_SKILLS]],
        "capabilities": [one[: wording.MOST_WORD] for one in offer.capabilities[:MOST_SKILLS]],
        "base_price": offer.base_price,
        "input_schema": offer.input_schema,
        "billing": _formula(offer.billing) if offer.billing else None,
        "protocol": offer.protocol,
        "tool": offer.tool,
        "endpoint_url": offer.endpoint_url,
    }
    return {**wording.checked(said), "negotiable": offer.negotiable, "info_known": True}


def _formula(billing: Billing) -> dict[str, Any]:
    """How an agent says that it bills; a tolerance is nothing that it can give itself."""
    if wording.is_tolerant(billing):
        billing = billing.model_copy(update={"tolerance": None})
    return billing.model_dump(mode="json", by_alias=False)


def kept(agent: Agent) -> set[str]:
    """The columns that are its owner's word, or what it was listed with before owners were."""
    if agent.overrides is None:
        return set(FOLLOWED) - {"input_schema", "negotiable"}
    return set(agent.overrides)


def followed(offer: Offer, agent: Agent) -> dict[str, Any]:
    """What an offer changes of a listing: never what its owner gave.

    Raises:
        Invalid: something in it cannot be listed.
    """
    said = columns(offer)
    mine = {name: said[name] for name in FOLLOWED if name in said and name not in kept(agent)}
    return {name: value for name, value in mine.items() if getattr(agent, name) != value}
