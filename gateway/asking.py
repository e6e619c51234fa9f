"""From an HTTP request to a request over the bus: for whom, under which trace, to which service."""

import re
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request, Response
from pydantic import TypeAdapter, ValidationError

from chassis.bus.calls import Reply
from chassis.bus.envelopes import new_id, origin
from chassis.observability import telemetry
from chassis.observability.terminal import escaped
from contracts.base import Call, Id, Model, ReplyT, RequestT
from contracts.envelope import Envelope
from contracts.errors import Invalid, NotFound
from contracts.task import GET_TASK, GetTask
from gateway.auth import READING
from gateway.cache import Cache
from gateway.errors import sentence
from gateway.identity import Identity
from gateway.link import NAME, Link
from gateway.room import Room
from gateway.settings import Settings
from gateway.spenders import Spenders
from gateway.streams import Streams
from gateway.turns import Turns

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_ID = TypeAdapter(Id)
ShownT = TypeVar("ShownT", bound=Model)


@dataclass(frozen=True, slots=True)
class Gateway:
    """What requests share; `app.state.gateway`."""

    settings: Settings
    link: Link
    room: Room
    turns: Turns
    streams: Streams
    cache: Cache
    spenders: Spenders


def gateway_of(request: Request) -> Gateway:
    """The gateway that serves this request."""
    gateway: Gateway = request.app.state.gateway
    return gateway


def account_of(request: Request) -> str:
    """Whose money and data the request concerns. The one place where that is decided."""
    identity: Identity | None = getattr(request.state, "identity", None)
    return identity.account if identity else gateway_of(request).settings.default_account


def spender_of(request: Request) -> str | None:
    """The credential of the request, when the payment service counts what it spends."""
    identity: Identity | None = getattr(request.state, "identity", None)
    return identity.spender if identity else None


def is_session(request: Request) -> bool:
    """Whether the caller may see only what it made itself."""
    identity: Identity | None = getattr(request.state, "identity", None)
    return identity is not None and identity.session


async def only_own(request: Request, task_id: str | None) -> None:
    """Keep a session to its own tasks; whoever else asks sees all of the account's.

    Raises:
        NotFound: there is no such task, or another credential made it.
    """
    if task_id is None or not is_session(request):
        return
    task = (await ask(request, GET_TASK, GetTask(task_id=task_id))).task
    if task.spender != spender_of(request):
        raise NotFound("Task not found")


async def only_with_room(request: Request) -> None:
    """What every route depends on: nothing is begun while the bus stores nothing.

    Raises:
        Unavailable: it stores nothing, or cannot be reached.
    """
    if request.method not in READING:
        await gateway_of(request).room.check()


def effect_of(request: Request) -> str:
    """The id of what the request makes: the same when it is sent again with its key, else fresh."""
    return keyed_effect(request) or new_id()


def keyed_effect(request: Request) -> str | None:
    """The id that follows from the request's `Idempotency-Key`; None when it has none."""
    effect: str | None = getattr(request.state, "effect", None)
    return effect


def said_again(request: Request) -> None:
    """Say of an answer that its key keeps nothing of it: the service gives it again.

    So what a service forgets, no key remembers.
    """
    request.state.said_again = True


def was_taken(request: Request) -> None:
    """Say that the service has taken what was asked: whoever comes next may ask."""
    request.state.taken()


def goes_on(request: Request) -> None:
    """Say of an answer that what was asked is still being carried out: it is not the last word."""
    request.state.goes_on = True


def cause_of(request: Request) -> Envelope:
    """The envelope of the HTTP request itself, the cause of all that follows from it.

    A well-formed `traceparent` of the caller is passed on, or is the parent of the request's span.
    The request's log line names it, and so does the answer's header X-Request-Id.
    """
    asked = f"{request.method} {request.scope['route'].path}"
    cause = origin(NAME, asked, account_of(request), request.state.request_id)
    if (spender := spender_of(request)) is not None:
        cause = cause.model_copy(update={"spender": spender})
    trace = request.headers.get("traceparent", "")
    if telemetry.provider():
        telemetry.rename(asked)
    elif _TRACEPARENT.fullmatch(trace):
        cause = cause.model_copy(update={"traceparent": trace})
    request.state.cause = cause
    return cause


async def ask(request: Request, call: Call[RequestT, ReplyT], question: RequestT) -> ReplyT:
    """Ask a service on behalf of an HTTP request; its refusals become the HTTP error."""
    return await gateway_of(request).link.ask(call, question, cause_of(request))


async def ask_shown(request: Request, call: Call[RequestT, ReplyT], question: RequestT) -> Reply:
    """`ask` for a page of a list as the API shows it; `pages.listed` answers with it."""
    return await gateway_of(request).link.ask_shown(call, question, cause_of(request))


def shown(kind: type[ShownT], view: Model) -> ShownT:
    """What a service told, as the API's model of it: with numbers."""
    return kind.model_validate(view, from_attributes=True)


def answer(model: Model) -> Response:
    """A model as the response's JSON; it was validated when it was made, so not again.

    What agents wrote may be printed by whoever asks, so nothing in it steers a terminal.
    """
    return Response(escaped(model.model_dump_json()), media_type="application/json")


def known_id(id_: str, what: str) -> str:
    """An id from a path, when it can be one.

    Raises:
        NotFound: nothing can have this id.
    """
    try:
        return _ID.validate_python(id_)
    except ValidationError:
        raise NotFound(f"{what} not found") from None


def made(model: type[RequestT], **fields: Any) -> RequestT:
    """A request for a service, from what a caller sent.

    Raises:
        Invalid: the fields do not fit, with a sentence that names the first that does not.
    """
    try:
        return model(**fields)
    except ValidationError as error:
        raise Invalid(sentence(error.errors())) from None
