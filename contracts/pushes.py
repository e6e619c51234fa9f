"""Messages about pushes: where an agent of A2A is told how one task or turn goes on."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.base import Call, Id, Model, Moment
from contracts.hooks import HookUrl

About = Annotated[str, Field(pattern=r"^(turn_)?[A-Za-z0-9_-]{1,64}$")]
"""A task by its id, or a turn by `turn_` and its id."""
Wire = Literal["1.0", "0.3"]
"""The version of A2A that is spoken to the receiver."""
Token = Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"^[!-~]+$")]
Scheme = Annotated[str, Field(max_length=40, pattern=r"^[A-Za-z][A-Za-z0-9-]*$")]
Credentials = Annotated[str, Field(min_length=1, max_length=4_000, pattern=r"^[ -~]+$")]


class AddPush(Model):
    """Has a URL told how a task goes on, from how it stands; the same id again replaces it.

    Raises (over the bus): `Invalid` when the address may not be called, `Conflict` when there are
    too many, `Unavailable` when secrets cannot be kept.

    Attributes:
        about: the task or turn.
        push_id: the caller's name for it.
        context: what the caller calls the context of the task; None for the task's own id.
        wire: how it is told.
        token: shown to the receiver (`X-A2A-Notification-Token`), and to nobody else.
        scheme: of `Authorization`, with `credentials`, which only the receiver is shown.
        only_look: whether it is only found out if this could be added.
    """

    about: About
    push_id: Id
    url: HookUrl
    context: str | None = Field(default=None, max_length=200)
    wire: Wire = "1.0"
    token: Token | None = Field(default=None, repr=False)
    scheme: Scheme | None = None
    credentials: Credentials | None = Field(default=None, repr=False)
    only_look: bool = False


class PushView(Model):
    """A push, without what only its receiver is shown.

    Attributes:
        ended_at: when the end of the task was told; nothing is told after it.
        disabled_at: since when nothing is told because nothing arrived.
    """

    about: About
    push_id: Id
    url: str
    scheme: str | None = None
    created_at: Moment
    ended_at: Moment | None = None
    disabled_at: Moment | None = None


class PushReply(Model):
    """One push; None when it was only looked, or when there is none."""

    push: PushView | None = None


class ListPushes(Model):
    """Asks for the account's pushes about a task or turn, oldest first; there are few."""

    about: About


class PushList(Model):
    """The pushes about a task or turn."""

    pushes: list[PushView]


class DeletePush(Model):
    """Ends a push; what waits for it is not told. One that is not there has ended."""

    about: About
    push_id: Id


ADD_PUSH = Call("payment", "add_push", AddPush, PushReply)
LIST_PUSHES = Call("payment", "list_pushes", ListPushes, PushList)
DELETE_PUSH = Call("payment", "delete_push", DeletePush, PushReply)
