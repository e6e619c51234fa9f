"""Who asks: an account, and what its credential allows."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

Scope = Literal["read", "write", "admin"]
"""read: look at what is the account's. write: post, and so spend its money. admin: what concerns
all accounts, such as the check of the books. None includes another."""

SCOPES: frozenset[str] = frozenset(get_args(Scope))


Over = Literal["revoked", "expired"]
"""Why a credential no longer holds."""


@dataclass(frozen=True, slots=True)
class Identity:
    """An account and the scopes that the caller has in it.

    Attributes:
        over: waits until the credential no longer lets its caller read, and says why. For what
            stays open; a request that is being answered is not taken back.
    """

    account: str
    scopes: frozenset[str]
    over: Callable[[], Awaitable[Over]] | None = field(default=None, compare=False, repr=False)


class Unknown(Exception):
    """The credential is wrong, expired or revoked; `args[0]` is a sentence for the caller."""


class Expired(Unknown):
    """It was valid once."""
