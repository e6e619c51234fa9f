"""Who may do what on the bus: pure data, from which the server's configuration is written.

A context publishes its own events, orders what `ORDERS` says, answers its own requests, asks what
`ASKS` says, and reads its own durables. Its replies come to inboxes of its own. Whatever is not
named here, the server refuses.

The server checks what a client publishes, and not where it has a reply sent. Who is not one of the
services has therefore an account of its own, into which the accounts' `SHARED` subjects lead and
nothing else: no stream, no consumer and no request of the services is within its reach.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from contracts import (
    approvals,
    changes,
    chat,
    hands,
    ledger,
    listings,
    machine,
    negotiation,
    orders,
    payment,
    registry,
    spending,
    standing,
    task,
    turns,
)
from contracts.base import PASSING, Call, Command, ping_call
from contracts.catalogue import CALLS, EVENTS
from contracts.topology import (
    API_KEYS,
    DURABLES,
    IDEMPOTENCY,
    TASK_ADD_STEPS,
    TASK_FINISH,
    TASK_START,
    Durable,
)
from contracts.topology import EVENTS as EVENTS_STREAM

GATEWAY, OPERATOR, KEEPER, ADMIN = "gateway", "operator", "keeper", "admin"
CONTEXTS = tuple(CALLS)
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


LOOKING = "bazaar.look"
"""Requests that the keeper answers to whoever may only look (`chassis.keeping.looking`)."""
FORGET = "bazaar.keep.forget"
"""A request of the chat service that the keeper answers (`chassis.keeping.forgetting`)."""
LETTERS = "bazaar.keep.dead_letters"
"""Requests of the gateway's administrators that the keeper answers (`chassis.keeping.letters`)."""
REFUSED = f"{LOOKING}.streams"
"""Where requests to JetStream come to that somebody makes who may only look."""

BETWEEN_SERVICES: tuple[Call[Any, Any], ...] = (
    payment.PLACE_HOLD,
    payment.EXTEND_HOLD,
    payment.GET_TASK_ACCOUNT,
    machine.PAY_AGENT,
    approvals.ASK_APPROVAL,
    ledger.OPEN_WALLET,
    registry.REGISTER_AGENT,
    spending.CLOSE_ACCOUNT,
    listings.CLOSE_LISTINGS,
    negotiation.NEGOTIATE,
    standing.TELL_ENDS,
    standing.COUNT_RUNNING,
    standing.WHAT_WAS_HEARD,
    turns.ORDER_ENDS,
)
"""What the gateway has no business to ask; opening wallets, listing agents and
closing accounts are an admin's."""

ASKS: dict[str, tuple[Call[Any, Any], ...]] = {
    "registry": (standing.COUNT_RUNNING,),
    "task": (
        registry.GET_AGENT,
        payment.PLACE_HOLD,
        payment.EXTEND_HOLD,
        payment.GET_TASK_ACCOUNT,
        machine.PAY_AGENT,
        approvals.ASK_APPROVAL,
        ledger.GET_RECEIPT,
        turns.ORDER_ENDS,
    ),
    "payment": (
        standing.TELL_ENDS,
        standing.WHAT_WAS_HEARD,
        task.GET_TASK,
        task.LIST_STEPS,
        turns.GET_TURN,
    ),
    "chat": (
        registry.LIST_AGENTS,
        listings.CHOOSE_AGENTS,
        task.GET_TASK,
        task.LIST_STEPS,
        standing.TELL_ENDS,
        negotiation.NEGOTIATE,
        ledger.ENTER_PAYMENT,
        ledger.GET_WALLET,
        ledger.GET_RECEIPT,
        task.LIST_TASKS,
    ),
    GATEWAY: tuple(
        call for calls in CALLS.values() for call in calls if call not in BETWEEN_SERVICES
    ),
    OPERATOR: (),
    KEEPER: (registry.LIST_AGENTS, *(ping_call(context) for context in CONTEXTS)),
    ADMIN: tuple(call for calls in CALLS.values() for call in calls),
}
"""The requests that each may send. Whoever asks a service may also ping it.

The operator asks the keeper alone, who asks for him: a crowd that looks is no crowd to a service.
"""

ORDERS: dict[str, tuple[type[Command], ...]] = {
    "registry": (),
    "task": (),
    "payment": (),
    "chat": (chat.Think, chat.UseTool, orders.StartTask, orders.AddSteps, orders.FinishTask),
}
"""The commands that each may send."""

HEARS: dict[str, tuple[str, ...]] = {
    "registry": (),
    "task": ("bazaar.evt.agent.*.*",),
    "payment": (),
    "chat": tuple(
        f"bazaar.dlq.{durable.name}"
        for durable in DURABLES
        if durable.context == "chat" or durable in (TASK_START, TASK_ADD_STEPS, TASK_FINISH)
    ),
    GATEWAY: ("bazaar.evt.>", f"$KV.{API_KEYS.name}.*", changes.ALL),
    OPERATOR: ("bazaar.evt.>", "bazaar.dlq.*"),
}
"""The subjects that each may listen to as they pass, beside what it answers.

Chat hears of the dead letters of its turns, so that whoever waits for one is told.
"""


ANSWERS_FOR_THE_DEAD = ("task",)
"""Who may answer requests without having received them, in a dead replica's stead.

Such a request came from another account, so the server made up where its reply goes (`_R_`), and
nobody can guess it.
"""


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


def inbox(user: str) -> str:
    """The prefix of a user's inboxes; the operator has the one that every client uses."""
    return "_INBOX" if user == OPERATOR else f"_INBOX_{user}"


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
