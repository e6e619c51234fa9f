"""Doors for who speaks another protocol: which there are, and at which addresses.

A door translates and decides nothing: what it is asked, it asks the API of this gateway, by
`gateway.doors.shared.inside`, so that accounts, scopes, limits, keys and money are the same at all
of them. What it serves with is imported when somebody comes to it: most gateways see few protocols.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Door:
    """A protocol.

    Attributes:
        module: has `opened(inside: Inside, settings: Settings)`, an async context manager that
            yields the ASGI app of the door.
        places: addresses that are its own, with all below them.
        public: of these, what everybody may read, known or not.
        errors: has `outside(status, sentence)`, the JSON of an error that another layer has
            answered with before the door was reached; without it, that is RFC 9457.
    """

    module: str
    places: tuple[str, ...]
    public: frozenset[str] = frozenset()
    errors: str | None = None


CARD = "/.well-known/agent-card.json"
"""The marketplace's, as A2A has it."""
DOORS: dict[str, Door] = {
    "mcp": Door("gateway.doors.mcp", ("/mcp",)),
    "a2a": Door("gateway.doors.a2a", ("/a2a", CARD), frozenset({CARD})),
    "agui": Door("gateway.doors.agui", ("/agui",)),
    "openai": Door("gateway.doors.openai", ("/v1",), errors="gateway.doors.openai.errors"),
}


def door_at(path: str) -> str | None:
    """The name of the door that an address belongs to."""
    for name, door in DOORS.items():
        if any(path == place or path.startswith(f"{place}/") for place in door.places):
            return name
    return None


def asks_who(path: str) -> bool:
    """Whether an address is a door's, and only for those who are known."""
    name = door_at(path)
    return name is not None and path not in DOORS[name].public
