"""What the NATS server is told: the subjects of each user, and those that its accounts share.

All of it follows from `contracts.permissions`; `deploy.nats_users` writes the server's file.

The server checks what a client publishes, and not where it has a reply sent. Who is not one of the
services has therefore an account of its own, into which the `shared` subjects lead and nothing
else: no stream, no consumer and no request of the services is within its reach.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from contracts import changes, hands
from contracts.base import PASSING, ping_call
from contracts.catalogue import EVENTS
from contracts.permissions import (
    ANSWERS_FOR_THE_DEAD,
    ASKS,
    FORGET,
    HEARS,
    LETTERS,
    LOOKING,
    ORDERS,
    REFUSED,
)
from contracts.topology import API_KEYS, DURABLES, IDEMPOTENCY, Durable
from contracts.topology import EVENTS as EVENTS_STREAM
from contracts.users import ADMIN, GATEWAY, KEEPER, OPERATOR, Account, account_of, inbox


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a user may do; subjects with NATS's wildcards, a queue group after a space.

    Attributes:
        answers: whether it may reply to what it receives, once each.
    """

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    answers: bool = False


@dataclass(frozen=True, slots=True)
class Shared:
    """A subject of the services' account that leads into another one.

    Attributes:
        kind: `stream`, messages go out; `service`, requests come in and are answered.
        account: where it leads.
        many: whether a request is answered by several messages.
        called: what the subject is called there, when not the same.
    """

    kind: Literal["stream", "service"]
    subject: str
    account: Account
    many: bool = False
    called: str | None = None


def of_user(user: str) -> Permissions:
    """What one of `USERS` may do."""
    if user == ADMIN:
        return Permissions((">",), (">",))
    if user == KEEPER:
        return _keeper()
    return _guest(user) if user in (GATEWAY, OPERATOR) else _service(user)


def shared() -> tuple[Shared, ...]:
    """All that leads from the services' account into others."""
    return tuple(
        one
        for user in (GATEWAY, OPERATOR)
        for one in (
            *(Shared("stream", subject, account_of(user)) for subject in HEARS[user]),
            *(Shared("service", subject, account_of(user)) for subject in _asked(user)),
            *(Shared("service", one, account_of(user), many=True) for one in _asked_of_all(user)),
            *_of_streams(user),
        )
    )


def _of_streams(user: str) -> Iterator[Shared]:
    """What a guest may ask of the streams: single messages, never a consumer."""
    if user == OPERATOR:
        yield Shared("service", f"{LOOKING}.>", "LOOK")
        # Tools ask for streams first: they are told what to ask for instead.
        yield Shared("service", f"{REFUSED}.>", "LOOK", called="$JS.API.>")
        return
    yield Shared("service", f"$JS.API.DIRECT.GET.{EVENTS_STREAM.name}", "GATEWAY", many=True)
    for bucket in (API_KEYS, IDEMPOTENCY):
        yield Shared("service", f"$JS.API.DIRECT.GET.{bucket.stream}.>", "GATEWAY")
    yield Shared("service", f"$KV.{IDEMPOTENCY.name}.>", "GATEWAY")
    yield Shared("service", f"{LETTERS}.*", "GATEWAY")


def _guest(user: str) -> Permissions:
    """Of a user outside of the services' account: what leads there, and nothing beside it."""
    mine = [one for one in shared() if one.account == account_of(user)]
    return Permissions(
        publish=tuple(one.called or one.subject for one in mine if one.kind == "service"),
        # Whoever looks may say "all": there is nothing else in his account.
        subscribe=(*(("bazaar.>",) if user == OPERATOR else HEARS[user]), f"{inbox(user)}.>"),
    )


def _service(context: str) -> Permissions:
    durables = [durable for durable in DURABLES if durable.context == context]
    return Permissions(
        publish=(
            *(f"bazaar.evt.{event.type}.*" for event in EVENTS[context]),
            # Those of release 0.2.0 are kept; who publishes them may be one that is not new yet.
            *(f"bazaar.evt.{e.type}.{PASSING}.*" for e in EVENTS[context] if not e.kept),
            *(f"bazaar.cmd.{command.type}.*" for command in ORDERS[context]),
            changes.subject(context),
            *_asked(context),
            *_asked_of_all(context),
            *(("_R_.>",) if context in ANSWERS_FOR_THE_DEAD else ()),
            *((FORGET,) if context == "chat" else ()),
            *(subject for durable in durables for subject in _reading(durable)),
        ),
        subscribe=(
            f"bazaar.rpc.{context}.* {context}",
            hands.subject(context),
            hands.subject(context, "*"),
            *HEARS[context],
            f"{inbox(context)}.>",
        ),
        answers=True,
    )


def _reading(durable: Durable) -> Iterator[str]:
    place = f"{durable.stream}.{durable.name}"
    yield f"$JS.API.CONSUMER.INFO.{place}"
    yield f"$JS.API.CONSUMER.MSG.NEXT.{place}"
    yield f"$JS.ACK.{place}.>"
    yield f"bazaar.dlq.{durable.name}"


def _keeper() -> Permissions:
    """Declares all, mends it, tells about it, forgets, and sends dead letters again.

    It consumes nothing. What it sends again goes to where a durable reads, and nowhere else.
    """
    asked = (f"{LOOKING}.>", FORGET, f"{LETTERS}.*")
    again = dict.fromkeys(durable.filter for durable in DURABLES)
    return Permissions(
        publish=("$JS.API.>", *again, *_asked(KEEPER)),
        subscribe=(*(f"{subject} {KEEPER}" for subject in asked), f"{inbox(KEEPER)}.>"),
        answers=True,
    )


def _asked(user: str) -> tuple[str, ...]:
    asks = ASKS[user]
    pings = (ping_call(call.context) for call in asks)
    return tuple(dict.fromkeys(call.subject for call in (*asks, *pings)))


def _asked_of_all(user: str) -> tuple[str, ...]:
    """Whoever waits for a service may ask its replicas what they have in hand."""
    contexts = dict.fromkeys(call.context for call in ASKS[user])
    return tuple(hands.subject(one, which) for one in contexts for which in (None, "*"))
