"""Who asks: an account, and what its credential allows."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, get_args

from pydantic import TypeAdapter, ValidationError

from contracts.base import Id

Scope = Literal["read", "write", "admin"]
"""read: look at what is the account's. write: post, and so spend its money. admin: what concerns
all accounts, such as the check of the books. None includes another."""

SCOPES: frozenset[str] = frozenset(get_args(Scope))


Over = Literal["revoked", "expired"]
"""Why a credential no longer holds."""
OVER: dict[Over, str] = {
    "revoked": "The credential of this stream no longer lets it be read.",
    "expired": "The credential of this stream has expired. Connect again with a new one.",
}
"""The same in words, for who is at the other end of what was open."""


@dataclass(frozen=True, slots=True)
class Identity:
    """An account and the scopes that the caller has in it.

    Attributes:
        spender: the credential's id, when the payment service counts what it spends.
        limited: whether that may spend so much and no more.
        session: whether it may spend, and see what it spent on, and nothing else.
        over: waits until the credential no longer has a scope, and says why. For what stays open;
            a request that is being answered is not taken back.
    """

    account: str
    scopes: frozenset[str]
    spender: str | None = None
    limited: bool = False
    session: bool = False
    over: Callable[[Scope], Awaitable[Over]] | None = field(default=None, compare=False, repr=False)


MOST_OF_A_NAME = 255
"""Characters of a `sub`, as OpenID Connect has it."""
_DERIVED = re.compile(r"jwt_[0-9a-f]{32}")
_ID: TypeAdapter[str] = TypeAdapter(Id)


def account_named(name: str) -> str:
    """The account of whom an issuer calls so: the name itself, or `jwt_` and a hash of it.

    `auth0|123` can be no id here. No two names have the same account: a name that looks like such
    a hash is hashed too.

    Raises:
        ValueError: it is empty, too long, or has characters that nobody could print.
    """
    if not name.isprintable() or not 0 < len(name) <= MOST_OF_A_NAME:
        raise ValueError(f"1 to {MOST_OF_A_NAME} printable characters are expected")
    try:
        if not _DERIVED.fullmatch(name):
            return _ID.validate_python(name)
    except ValidationError:
        pass
    return f"jwt_{sha256(name.encode()).hexdigest()[:32]}"


class Unknown(Exception):
    """The credential is wrong, expired or revoked; `args[0]` is a sentence for the caller."""


class Expired(Unknown):
    """It was valid once."""
