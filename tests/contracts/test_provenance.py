"""A message is acted upon only where it belongs, and only from who may send it."""

from typing import Any

import pytest

from chassis.bus.envelopes import origin
from contracts.base import Call, Command, Event
from contracts.catalogue import CALLS, COMMANDS, EVENTS
from contracts.envelope import SOURCE, TYPE
from contracts.errors import Invalid
from contracts.permissions import ASKS, ORDERS
from contracts.provenance import answerable, check_message, check_request

EVENT_KINDS = [(context, event) for context, events in EVENTS.items() for event in events]
COMMAND_KINDS = [command for commands in COMMANDS.values() for command in commands]
REQUESTS = [call for calls in CALLS.values() for call in calls]
INBOX = "_INBOX_somebody.x"


@pytest.mark.parametrize(("context", "event"), EVENT_KINDS, ids=str)
def test_an_event_comes_from_its_own_context(context: str, event: type[Event]) -> None:
    subject = f"bazaar.evt.{event.type}.t1"
    for source in EVENTS:
        here = origin(source, f"{event.type}.v1")
        if source == context:
            check_message(subject, here)
            check_message(subject, here.model_copy(update={"subject": "t1"}))
        else:
            with pytest.raises(Invalid, match="do not come from"):
                check_message(subject, here)
    other = next(one for _, one in EVENT_KINDS if one is not event)
    for wrong in (f"{other.type}.v1", f"{event.type}", f"{event.type}.vx", "unknown", "", ".v1"):
        with pytest.raises(Invalid):
            check_message(subject, origin(context, wrong))
    about = origin(context, f"{event.type}.v1").model_copy(update={"subject": "t2"})
    with pytest.raises(Invalid, match="about t2"):
        check_message(subject, about)


@pytest.mark.parametrize("command", COMMAND_KINDS, ids=lambda one: str(one.type))
def test_an_order_comes_from_who_may_give_it(command: type[Command]) -> None:
    subject = f"bazaar.cmd.{command.type}.t1"
    for source, orders in ORDERS.items():
        here = origin(source, f"{command.type}.v1")
        if command in orders:
            check_message(subject, here)
        else:
            with pytest.raises(Invalid, match="do not come from"):
                check_message(subject, here)
    with pytest.raises(Invalid, match="does not belong"):
        check_message(f"bazaar.cmd.{command.type}.x.t1", origin("chat", f"{command.type}.v1"))


@pytest.mark.parametrize("call", REQUESTS, ids=lambda call: str(call.subject))
def test_a_request_comes_from_who_may_ask(call: Call[Any, Any]) -> None:
    type_ = f"{call.context}.{call.verb}"
    for asker, calls in ASKS.items():
        head = {TYPE: type_, SOURCE: asker}
        asks = call in calls or (
            call.verb == "ping" and any(one.context == call.context for one in calls)
        )
        if asks:
            check_request(call.subject, head, INBOX)
        else:
            with pytest.raises(Invalid, match="not asked by"):
                check_request(call.subject, head, INBOX)
    check_request(call.subject, {}, INBOX)  # By hand: the server decides who may.
    for wrong in ({TYPE: "step.completed.v1", SOURCE: "task"}, {TYPE: type_}, {SOURCE: "task"}):
        with pytest.raises(Invalid):
            check_request(call.subject, wrong, INBOX)


@pytest.mark.parametrize("reply", ["", "$JS.ACK.EVENTS.x.1.1.1.1.1", "$SYS.REQ"])
def test_a_request_that_nobody_waits_for_is_none(reply: str) -> None:
    assert not answerable(reply)
    with pytest.raises(Invalid, match="somebody who waits"):
        check_request("bazaar.rpc.registry.ping", {}, reply)
