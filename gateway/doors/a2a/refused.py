"""What the marketplace does not do by A2A, refused in the protocol's own words."""

from typing import Any, NoReturn

from a2a.utils.errors import ExtendedAgentCardNotConfiguredError


class Refusing:
    """The handler of the extended card."""

    async def on_get_extended_agent_card(self, _params: Any, _context: Any) -> NoReturn:
        """There is none: the card tells everybody all."""
        raise ExtendedAgentCardNotConfiguredError
