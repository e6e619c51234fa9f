"""What one agent says that it offers, whatever protocol it says it in."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from contracts.registry import Billing, Protocol


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that can be listed: an agent, a skill of an A2A agent, or a tool of an MCP server.

    Attributes:
        name: what it calls itself; `description` and `skills` in its own words as well.
        base_price: BazaarBucks per call; None when it does not say.
        endpoint_url: where it is called; not always where it was read.
        tool: which tool of the MCP server, or skill of the A2A agent; None for the whole agent.
        input_schema: JSON Schema of what it takes; None when it does not say.
        billing: how it bills; None when it does not say.
    """

    name: str
    description: str
    skills: tuple[str, ...]
    base_price: Decimal | None
    endpoint_url: str
    protocol: Protocol = "native"
    tool: str | None = None
    input_schema: dict[str, Any] | None = None
    capabilities: tuple[str, ...] = field(default=())
    negotiable: bool = False
    billing: Billing | None = None
