"""Whether an agent will work in a marketplace, and why not (`bazaar agents check URL`).

For its author, before it is listed. Nothing is stored, and the agent is not given any work.
"""

import time
from collections.abc import Callable
from contextlib import aclosing

from chassis.outbound import AddressRefused, CallError, Outbound
from contracts.errors import BadAnswer, Invalid
from registry_svc import agents_http, reading
from registry_svc.readers.offer import Offer

LOOPBACK = ("localhost", "127.0.0.1", "::1")
Tell = Callable[[str, str], None]
"""Told of each finding, whether it is ok, wrong or a note, and what it is, in words of anybody."""
SHOWN = 10
"""Offers that are told of one by one."""


class Findings:
    """What was found, told as it is found.

    Attributes:
        ill: whether anything keeps the agent from working.
    """

    def __init__(self, tell: Tell) -> None:
        """Nothing is wrong yet."""
        self.ill = False
        self._tell = tell

    def good(self, text: str) -> None:
        """Tell of something that works."""
        self._tell("ok", text)

    def bad(self, text: str) -> None:
        """Tell of something that keeps the agent from working."""
        self.ill = True
        self._tell("wrong", text)

    def note(self, text: str) -> None:
        """Tell of something to know."""
        self._tell("note", text)


async def check(url: str, tell: Tell) -> bool:
    """Look at an agent as listing, probes and calls do; whether it will work.

    Args:
        url: where the agent, its card or the MCP server is.
        tell: told of each finding.
    """
    url, found = url.rstrip("/") if url.count("/") <= len("//") + 1 else url, Findings(tell)
    async with aclosing(Outbound(LOOPBACK)) as http:
        if await _address(http, url, found) and (offers := await _offers(http, url, found)):
            for offer in offers[:SHOWN]:
                _offer(offer, found)
            await _health(http, offers[0], found)
    return not found.ill


async def _offers(http: Outbound, url: str, found: Findings) -> list[Offer]:
    try:
        offers = await reading.offers(http, url, None)
    except Invalid as error:
        found.bad(error.message)
        return []
    kind = {"native": "our own protocol", "a2a": "A2A", "mcp": "tools of MCP"}
    found.good(f"It speaks {kind[offers[0].protocol]}, and offers {_counted(offers)}.")
    return offers


def _counted(offers: list[Offer]) -> str:
    what = "tool" if offers[0].protocol == "mcp" else "agent"
    return f"{len(offers)} {what}{'s' if len(offers) > 1 else ''}"


async def _address(http: Outbound, url: str, found: Findings) -> bool:
    try:
        place = await http.judge(url, agents_http.LOOKUP_TIMEOUT_S)
    except AddressRefused as error:
        found.bad(f"It cannot be listed at this address: {error.why}.")
        return False
    except CallError as error:
        found.bad(f"Its address leads nowhere: {error.why}.")
        return False
    found.good(f"{url} may be called.")
    if place.host == "localhost" or (place.address and place.address.is_loopback):
        found.note(
            "This is a loopback address: good for `make up` on this machine. Elsewhere an agent has"
            " a public address, or the marketplace names its host in AGENT_HOSTS."
        )
    return True


def _offer(offer: Offer, found: Findings) -> None:
    name = offer.tool or offer.name
    try:
        said = reading.columns(offer)
    except Invalid as error:
        found.bad(f"{name} cannot be listed: {error.message}")
        return
    found.good(f"{name} can be listed, for {', '.join(said['skills'])}.")
    if offer.base_price is None:
        found.note(f"{name} does not say its price: give basePrice when it is listed.")
    else:
        found.good(f"{name} asks {offer.base_price:f} BazaarBucks per call.")
    if "input_schema" not in said:
        found.note(f"{name} has no input schema, or one that is too large: callers have to guess.")


async def _health(http: Outbound, offer: Offer, found: Findings) -> None:
    begun = time.perf_counter()
    try:
        if offer.protocol == "native":
            await agents_http.ask_health(http, offer.endpoint_url)
        else:
            await agents_http.ask_presence(http, offer.endpoint_url)
    except BadAnswer as error:
        found.bad(f"Its probes fail, so no call is given to it: {error.message}")
        return
    took_ms = round((time.perf_counter() - begun) * 1_000)
    found.good(
        f"It answers a probe in {took_ms} ms; {agents_http.PROBE_TIMEOUT_S:g} s are allowed."
    )
