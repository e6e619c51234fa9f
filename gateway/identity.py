"""Who asks: an account, and what its credential allows."""

from dataclasses import dataclass
from typing import Literal, get_args

Scope = Literal["read", "write", "admin"]
"""read: look at what is the account's. write: post, and so spend its money. admin: what concerns
all accounts, such as the check of the books. None includes another."""

SCOPES: frozenset[str] = frozenset(get_args(Scope))


@dataclass(frozen=True, slots=True)
class Identity:
    """An account and the scopes that the caller has in it."""

    account: str
    scopes: frozenset[str]


class Unknown(Exception):
    """The credential is wrong, expired or revoked; `args[0]` is a sentence for the caller."""
