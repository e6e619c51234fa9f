"""Who is on the bus: the users of the server, their accounts and their inboxes. Names alone.

What each may do is in `contracts.permissions`, which knows every message; whoever needs a name, as
the runner of the whole on one machine does, need not load them.
"""

from typing import Literal

GATEWAY, OPERATOR, KEEPER, ADMIN = "gateway", "operator", "keeper", "admin"
CONTEXTS = ("registry", "task", "payment", "chat")
USERS = (*CONTEXTS, GATEWAY, OPERATOR, KEEPER, ADMIN)
"""The users of the server: one per service, one for people, and two who look after the bus.

The operator looks and changes nothing. The keeper declares streams and consumers and tells about
them. The administrator may do everything.
"""

Account = Literal["BAZAAR", "GATEWAY", "LOOK"]
BAZAAR: Account = "BAZAAR"
"""The account of the services: all streams, all requests."""


def account_of(user: str) -> Account:
    """The account of the server that a user belongs to."""
    return "GATEWAY" if user == GATEWAY else "LOOK" if user == OPERATOR else BAZAAR


def inbox(user: str) -> str:
    """The prefix of a user's inboxes; the operator has the one that every client uses."""
    return "_INBOX" if user == OPERATOR else f"_INBOX_{user}"


def variable(user: str) -> str:
    """The environment variable that the server takes a user's password from."""
    return f"NATS_{user.upper()}_PASSWORD"
