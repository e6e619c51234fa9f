"""Hints that what a service answers has changed: they only pass, and nobody's truth hangs on them.

Published on core NATS, `bazaar.changed.<context>`, once a transaction has committed and before
whoever asked for it has his reply. Who keeps answers of that context, keeps them no longer.
"""

from pydantic import Field

from contracts.base import Id, Model

CHANGED = "bazaar.changed"
ALL = f"{CHANGED}.*"
"""Where all contexts tell."""
TELLS = "Bazaar-Tells-Changes"
"""A header of replies: whoever answered tells of its changes. One of release 0.2.0 does not."""
ALIVE_EVERY_S = 1.0
"""How often each replica says something, if only that nothing has changed."""
MOST_ACCOUNTS = 64
"""That a hint names; when more were touched, it names none."""


def subject(context: str) -> str:
    """Where a context tells of its changes."""
    return f"{CHANGED}.{context}"


class Changed(Model):
    """Something of a context changed.

    Attributes:
        accounts: whose; None for everybody's, empty when nothing did and a replica only says that
            it is there.
    """

    accounts: list[Id] | None = Field(default=None, max_length=MOST_ACCOUNTS)
