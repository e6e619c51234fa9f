"""Messages about credentials that may spend so much: sessions, and keys with limits."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.base import Call, Id, Model, Moment, Money, Page
from contracts.ledger import Paid, Sum

SpenderKind = Literal["session", "key"]
"""A session may spend, and see what it spent on. A key may all that its scopes allow."""
SpenderScope = Literal["read", "write", "admin"]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of a whole credential; the credential itself is nowhere kept."""


class OpenSpender(Model):
    """Makes a credential known; the same id again is answered the same.

    Raises (over the bus): `Conflict` when the id was used for another.

    Attributes:
        spender_id: chosen by the caller; what is between the underscores of `bzs_<id>_<secret>`.
        limit: BazaarBucks that may be held and paid by it in all; None for any.
        per_task: the same of one task.
        per_day: the same of one day (UTC).
        agents: whom it may pay; None for all.
        approve_above: a step that may cost more waits for a person; None for none.
    """

    spender_id: Id
    kind: SpenderKind
    hash: Hash
    scopes: list[SpenderScope] = Field(min_length=1, max_length=3)
    limit: Paid | None = None
    per_task: Paid | None = None
    per_day: Paid | None = None
    agents: list[Id] | None = Field(default=None, min_length=1, max_length=100)
    note: str = Field(default="", max_length=200)
    expires_at: Moment | None = None
    approve_above: Money | None = None


class SpenderView(Model):
    """A credential and what of its limits is left, in BazaarBucks.

    Attributes:
        held: what is set aside for steps that run.
        spent: what was paid, less what was given back.
        remaining: of `limit`, what is neither; None without one.
        closed_at: since when it is revoked.
    """

    id: Id
    kind: SpenderKind
    account: Id
    scopes: list[str]
    limit: Money | None = None
    per_task: Money | None = None
    per_day: Money | None = None
    agents: list[Id] | None = None
    note: str = ""
    created_at: Moment
    expires_at: Moment | None = None
    closed_at: Moment | None = None
    held: Sum
    spent: Sum
    remaining: Sum | None = None
    approve_above: Money | None = None


class FindSpender(Model):
    """Asks whose a credential is; `NotFound` when there is none, or it is closed."""

    spender_id: Id


class Credential(Model):
    """What a gateway has to know to let a credential's owner in.

    Attributes:
        limited: whether it may spend so much, or at some agents, and no more.
    """

    account: Id
    kind: SpenderKind
    hash: Hash
    scopes: list[str]
    expires_at: Moment | None = None
    limited: bool = False


class GetSpender(Model):
    """Asks what is left of a credential of the account; `NotFound` when there is none."""

    spender_id: Id


class ListSpenders(Page):
    """Asks for the credentials of one kind, newest first.

    Attributes:
        all: of all accounts; else those of the asking one.
    """

    kind: SpenderKind = "session"
    all: bool = False


class SpenderList(Model):
    """A page of credentials."""

    spenders: list[SpenderView]
    next_cursor: str | None = None


class CloseSpender(Model):
    """Revokes a credential: nothing more is held for it. What runs is finished and paid.

    Raises (over the bus): `NotFound` when the account has none of that kind.

    Attributes:
        any_account: for an administrator.
    """

    spender_id: Id
    kind: SpenderKind = "session"
    any_account: bool = False


class CloseAccount(Model):
    """Closes the account that asks, for an administrator.

    From then on its wallet sets nothing more aside, its credentials with limits are revoked, and
    nothing is paid out to it by itself. What is held is captured or released as ever, and what it
    has stays. Closed twice, it is closed: the first reason stays.
    """

    reason: Annotated[str, Field(min_length=1, max_length=500)]


class ClosedAccount(Model):
    """An account that is closed.

    Attributes:
        revoked: credentials with limits that this request revoked.
    """

    account: Id
    closed_at: Moment
    reason: str
    revoked: int = Field(ge=0)


OPEN_SPENDER = Call("payment", "open_spender", OpenSpender, SpenderView)
FIND_SPENDER = Call("payment", "find_spender", FindSpender, Credential)
GET_SPENDER = Call("payment", "get_spender", GetSpender, SpenderView)
LIST_SPENDERS = Call("payment", "list_spenders", ListSpenders, SpenderList)
CLOSE_SPENDER = Call("payment", "close_spender", CloseSpender, SpenderView)
CLOSE_ACCOUNT = Call("payment", "close_account", CloseAccount, ClosedAccount, timeout_ms=10_000)
