"""What an MCP server offers: each of its tools is an offer, with the schema of what it takes."""

import asyncio
import importlib
from typing import TYPE_CHECKING, Any

from chassis.outbound import AddressRefused, CallError, Limits, Outbound
from chassis.protocols.bridge import Bridge
from contracts.errors import BadAnswer
from registry_svc.agents_http import interface
from registry_svc.readers.offer import Offer

if TYPE_CHECKING:
    from mcp_types import Tool

MAX_LIST_BYTES = 1024 * 1024
MOST_TOOLS, MOST_PAGES = 200, 20
MAX_NAME_CHARS, MAX_DESCRIPTION_CHARS, MAX_TOOL_CHARS = 200, 2_000, 100
HINTS = {"read_only_hint": "read-only", "idempotent_hint": "idempotent"}


async def read(http: Outbound, url: str, timeout_s: float) -> list[Offer]:
    """The offers of a server's tools, in its order.

    Raises:
        BadAnswer: there is no server, or none with a tool that can be listed.
    """
    # Whoever never reads a server does not pay for the library, and nobody waits for its import.
    library = await asyncio.to_thread(importlib.import_module, "chassis.protocols.mcp_client")
    limits = Limits(timeout_s, MAX_LIST_BYTES)
    bridge = Bridge(http, limits, counting=("POST",))
    try:
        tools: list[Tool] = await library.apart(_tools(library, bridge, url, timeout_s), timeout_s)
    except TimeoutError:
        raise BadAnswer(f"{url} does not answer within {timeout_s:g} s.") from None
    except library.BrokeDown:
        raise BadAnswer(_why(url, bridge.broke)) from None
    offers = [offer for tool in tools if (offer := _offer(tool, url)) is not None]
    if not offers:
        raise BadAnswer(f"The MCP server at {url} has no tool that can be listed.")
    return offers


async def _tools(library: Any, bridge: Bridge, url: str, timeout_s: float) -> "list[Tool]":
    async with library.mcp_client(bridge, url, timeout_s, MAX_LIST_BYTES) as client:
        found: list[Tool] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = await client.list_tools(cursor=cursor)
            found += page.tools
            cursor = page.next_cursor
            if cursor is None or len(found) >= MOST_TOOLS:
                break
        return found[:MOST_TOOLS]


def _offer(tool: "Tool", url: str) -> Offer | None:
    """A tool as an offer; None when its name cannot be."""
    if not tool.name or len(tool.name) > MAX_TOOL_CHARS:
        return None
    hints = tool.annotations
    said = (name for hint, name in HINTS.items() if hints and getattr(hints, hint) is True)
    return Offer(
        name=(tool.title or tool.name)[:MAX_NAME_CHARS],
        description=(tool.description or tool.title or tool.name)[:MAX_DESCRIPTION_CHARS],
        skills=(tool.name,),
        base_price=None,
        endpoint_url=url,
        protocol="mcp",
        tool=tool.name,
        input_schema=interface({"input_schema": tool.input_schema})["input_schema"],
        capabilities=tuple(said),
    )


def _why(url: str, broke: CallError | None) -> str:
    if isinstance(broke, AddressRefused):
        return f"{url} may not be called: {broke.why}."
    if broke is not None:
        return f"{url} cannot be reached: {broke.why}."
    return f"There is no MCP server at {url}, or none that can be understood."
