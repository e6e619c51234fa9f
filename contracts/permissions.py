"""Who may do what on the bus: pure data, from which the server's configuration is written.

A context publishes its own events, orders what `ORDERS` says, answers its own requests, asks what
`ASKS` says, and reads its own durables. Its replies come to inboxes of its own. Whatever is not
named here, the server refuses.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from contracts import chat, ledger, negotiation, orders, payment, registry, task
from contracts.base import Call, Command, ping_call
from contracts.catalogue import CALLS, EVENTS
from contracts.topology import BUCKETS, DEADLETTER, DURABLES, Bucket, Durable
from contracts.topology import EVENTS as EVENTS_STREAM

GATEWAY, OPERATOR, ADMIN = "gateway", "operator", "admin"
CONTEXTS = tuple(CALLS)
USERS = (*CONTEXTS, GATEWAY, OPERATOR, ADMIN)
"""The users of the server: one per service, one for people, and one who may do everything.

The operator follows, reads and asks, and lists agents. He changes nothing else.
"""

BETWEEN_SERVICES: tuple[Call[Any, Any], ...] = (
    payment.PLACE_HOLD,
    payment.EXTEND_HOLD,
    payment.GET_TASK_ACCOUNT,
    registry.REGISTER_AGENT,
    negotiation.NEGOTIATE,
)
"""What the gateway has no business to ask; listing an agent is an operator's."""

ASKS: dict[str, tuple[Call[Any, Any], ...]] = {
    "registry": (),
    "task": (
        registry.GET_AGENT,
        payment.PLACE_HOLD,
        payment.EXTEND_HOLD,
        payment.GET_TASK_ACCOUNT,
    ),
    "payment": (),
    "chat": (
        registry.LIST_AGENTS,
        registry.GET_AGENT,
        task.GET_TASK,
        task.LIST_STEPS,
        negotiation.NEGOTIATE,
        ledger.ENTER_PAYMENT,
    ),
    GATEWAY: tuple(
        call for calls in CALLS.values() for call in calls if call not in BETWEEN_SERVICES
    ),
    OPERATOR: (
        registry.LIST_AGENTS,
        registry.GET_AGENT,
        registry.REGISTER_AGENT,
        task.GET_TASK,
        task.LIST_TASKS,
        task.LIST_STEPS,
        payment.LIST_BAZAARBUCKS,
        payment.LIST_STRIPE,
        ledger.GET_WALLET,
        ledger.LIST_ENTRIES,
        ledger.GET_RECEIPT,
        ledger.CHECK_LEDGER,
        chat.LIST_MESSAGES,
        *(ping_call(context) for context in CONTEXTS),
    ),
}
"""The requests that each may send. Whoever asks a service may also ping it."""

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
    "chat": (),
    GATEWAY: ("bazaar.evt.>", *(f"$KV.{bucket.name}.>" for bucket in BUCKETS)),
    OPERATOR: ("bazaar.>",),
}
"""The subjects that each may listen to as they pass, beside what it answers."""


ANSWERS_FOR_THE_DEAD: dict[str, tuple[str, ...]] = {"task": (GATEWAY,)}
"""Whose requests each may answer without having received them, in a dead replica's stead."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a user may do; subjects with NATS's wildcards, a queue group after a space.

    Attributes:
        answers: whether it may reply to what it receives, once each.
    """

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    answers: bool = False
    publish_not: tuple[str, ...] = ()
    subscribe_not: tuple[str, ...] = ()


def inbox(user: str) -> str:
    """The prefix of a user's inboxes; the operator has the one that every client uses."""
    return "_INBOX" if user == OPERATOR else f"_INBOX_{user}"


def of_user(user: str) -> Permissions:
    """What one of `USERS` may do."""
    if user == ADMIN:
        return Permissions((">",), (">",))
    if user == OPERATOR:
        return _operator()
    return _gateway() if user == GATEWAY else _service(user)


def _service(context: str) -> Permissions:
    durables = [durable for durable in DURABLES if durable.name.split("-")[0] == context]
    return Permissions(
        publish=(
            *(f"bazaar.evt.{event.type}.*" for event in EVENTS[context]),
            *(f"bazaar.cmd.{command.type}.*" for command in ORDERS[context]),
            *_asked(context),
            *(f"{inbox(asker)}.>" for asker in ANSWERS_FOR_THE_DEAD.get(context, ())),
            *(subject for durable in durables for subject in _reading(durable)),
        ),
        subscribe=(
            f"bazaar.rpc.{context}.* {context}",
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


def _gateway() -> Permissions:
    return Permissions(
        publish=(
            *_asked(GATEWAY),
            "$JS.API.STREAM.NAMES",
            *_watching(EVENTS_STREAM.name),
            *(subject for bucket in BUCKETS for subject in _keeping(bucket)),
        ),
        subscribe=(*HEARS[GATEWAY], f"{inbox(GATEWAY)}.>"),
        publish_not=_of_others(),
        subscribe_not=_NO_GROUPS,
    )


def _operator() -> Permissions:
    return Permissions(
        publish=(
            *_asked(OPERATOR),
            "$JS.API.INFO",
            "$JS.API.STREAM.NAMES",
            "$JS.API.STREAM.LIST",
            *(f"$JS.API.CONSUMER.{what}" for what in ("NAMES.*", "LIST.*", "INFO.*.*")),
            "$JS.API.STREAM.INFO.COMMANDS",
            "$JS.API.STREAM.MSG.GET.COMMANDS",
            "$JS.API.DIRECT.GET.COMMANDS",
            "$JS.API.DIRECT.GET.COMMANDS.>",
            *_watching(EVENTS_STREAM.name),
            *_watching(DEADLETTER.name),
        ),
        subscribe=(*HEARS[OPERATOR], f"{inbox(OPERATOR)}.>"),
        publish_not=_of_others(),
        subscribe_not=_NO_GROUPS,
    )


_NO_GROUPS = ("bazaar.> >",)
"""Who only listens must not join a queue group: it would take messages from those who answer."""


def _asked(user: str) -> tuple[str, ...]:
    asks = ASKS[user]
    pings = (ping_call(call.context) for call in asks)
    return tuple(dict.fromkeys(call.subject for call in (*asks, *pings)))


def _watching(stream: str) -> Iterator[str]:
    """What it takes to read a stream without taking anything out of it."""
    yield f"$JS.API.STREAM.INFO.{stream}"
    yield f"$JS.API.STREAM.MSG.GET.{stream}"
    yield f"$JS.API.DIRECT.GET.{stream}"
    yield f"$JS.API.DIRECT.GET.{stream}.>"
    yield f"$JS.API.CONSUMER.CREATE.{stream}"
    yield f"$JS.API.CONSUMER.CREATE.{stream}.>"
    yield f"$JS.API.CONSUMER.INFO.{stream}.*"
    yield f"$JS.API.CONSUMER.MSG.NEXT.{stream}.*"
    yield f"$JS.API.CONSUMER.DELETE.{stream}.*"
    yield f"$JS.ACK.{stream}.>"
    yield f"$JS.FC.{stream}.>"


def _keeping(bucket: Bucket) -> Iterator[str]:
    """What it takes to read and write a key-value bucket that is declared already."""
    yield f"$KV.{bucket.name}.>"
    yield f"$JS.API.STREAM.PURGE.{bucket.stream}"
    yield from _watching(bucket.stream)


def _of_others() -> tuple[str, ...]:
    """The services' own consumers, which whoever makes consumers of its own must leave alone."""
    watched = (durable for durable in DURABLES if durable.stream == EVENTS_STREAM.name)
    return tuple(subject for durable in watched for subject in _tampering(durable))


def _tampering(durable: Durable) -> Iterator[str]:
    place = f"{durable.stream}.{durable.name}"
    yield f"$JS.API.CONSUMER.CREATE.{place}"
    yield f"$JS.API.CONSUMER.CREATE.{place}.>"
    yield f"$JS.API.CONSUMER.MSG.NEXT.{place}"
    yield f"$JS.API.CONSUMER.DELETE.{place}"
    yield f"$JS.ACK.{place}.>"
