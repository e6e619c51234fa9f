"""Whether a message is what its subject says, from somebody who may send it.

The server decides who publishes where. It does not decide what comes along: a stored message can be
delivered to another subject than its own, and then its type does not fit. Whoever acts on a message
asks here first.
"""

from collections.abc import Iterator, Mapping

from contracts.base import ping_call
from contracts.catalogue import EVENTS
from contracts.envelope import SOURCE, TYPE, Envelope
from contracts.errors import Invalid
from contracts.permissions import ASKS, ORDERS

EVENT, COMMAND, REQUEST = "bazaar.evt.", "bazaar.cmd.", "bazaar.rpc."


def _publishers() -> Iterator[tuple[str, str]]:
    for context, events in EVENTS.items():
        yield from ((f"{EVENT}{event.type}", context) for event in events)
    for context, commands in ORDERS.items():
        yield from ((f"{COMMAND}{command.type}", context) for command in commands)


def _askers() -> Iterator[tuple[str, str]]:
    for asker, calls in ASKS.items():
        for call in calls:
            yield call.subject, asker
            yield ping_call(call.context).subject, asker


_SENDERS: dict[str, set[str]] = {}
for _place, _sender in (*_publishers(), *_askers()):
    _SENDERS.setdefault(_place, set()).add(_sender)


def check_message(subject: str, here: Envelope) -> None:
    """Check an event or command.

    Raises:
        Invalid: its type is not the subject's, its source does not publish there, or it is about
            another entity.
    """
    place, _, entity = subject.rpartition(".")
    type_, _, version = here.type.rpartition(".v")
    if not place.endswith(f".{type_}") or place.count(".") != type_.count(".") + 2:
        raise Invalid(f"A message of the type {here.type} does not belong on {subject}.")
    if not (version.isascii() and version.isdecimal()):
        raise Invalid(f"The type {here.type} has no version.")
    if here.source not in _SENDERS.get(place, {here.source}):
        raise Invalid(f"Messages on {place} do not come from {here.source}.")
    if here.subject not in ("", entity):
        raise Invalid(f"A message about {here.subject} does not belong on {subject}.")


def answerable(reply: str) -> bool:
    """Whether somebody waits for an answer there, and not the server itself."""
    return bool(reply) and not reply.startswith("$")


def check_request(subject: str, headers: Mapping[str, str], reply: str) -> None:
    """Check a request. One without type and source was made by hand, by who may do so.

    Raises:
        Invalid: its type is not the subject's, who sent it does not ask that, or a stream
            delivered it, so that nobody waits for an answer.
    """
    if not answerable(reply):
        raise Invalid("A request needs somebody who waits for its answer.")
    type_, source = headers.get(TYPE), headers.get(SOURCE)
    if type_ is None and source is None:
        return
    if f"{REQUEST}{type_}" != subject:
        raise Invalid(f"A request of the type {type_} does not belong on {subject}.")
    if source not in _SENDERS.get(subject, {source}):
        raise Invalid(f"{subject} is not asked by {source}.")
