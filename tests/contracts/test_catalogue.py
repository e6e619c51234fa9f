"""Every message is named as the system's subjects say, once, and consumed as it is published."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import topology
from contracts.base import PASSING, Call, Command, Event
from contracts.catalogue import API_ANSWERS, API_BODIES, CALLS, COMMANDS, CONTEXTS, EVENTS
from contracts.task_events import StepProgress
from tests.contracts.values import messages

WORD = r"[a-z][a-z0-9_]*"
TOKEN = re.compile(r"[A-Za-z0-9_-]+")

ALL_EVENTS = [event for some in EVENTS.values() for event in some]
ALL_COMMANDS = [command for some in COMMANDS.values() for command in some]
ALL_CALLS = [call for some in CALLS.values() for call in some]


def _subclasses(kind: type) -> set[type]:
    direct: set[type] = set(kind.__subclasses__())
    return direct | {deeper for one in direct for deeper in _subclasses(one)}


@pytest.mark.parametrize(("kind", "found"), [(Event, ALL_EVENTS), (Command, ALL_COMMANDS)])
def test_nothing_is_left_out_but_bases(kind: type, found: list[type]):
    bases = {"TaskEvent", "TaskEnded"}
    ours = {one for one in _subclasses(kind) if one.__module__.startswith("contracts.")}
    assert {one.__name__ for one in ours - set(found)} <= bases
    assert set(found) <= ours


def test_every_message_has_a_name_of_its_own():
    for kind in (ALL_EVENTS, ALL_COMMANDS):
        names = [(message.type, message.version) for message in kind]
        assert len(names) == len(set(names))
        assert all("type" in vars(message) for message in kind), "a name must not be inherited"
    subjects = [call.subject for call in ALL_CALLS]
    assert len(subjects) == len(set(subjects))
    models = [model.__name__ for model in (*API_BODIES, *API_ANSWERS)]
    assert len(models) == len(set(models))


@pytest.mark.parametrize("event", ALL_EVENTS, ids=lambda e: e.__name__)
def test_an_event_is_a_noun_and_what_happened_to_it(event: type[Event]):
    # An agent's word of how far it is: that it works is no change of the step.
    assert event is StepProgress or re.fullmatch(rf"{WORD}\.({WORD}ed|paid)", event.type)


MODULES = {
    "registry": {"registry", "listings"},
    "payment": {
        "approvals",
        "payment",
        "ledger",
        "cards",
        "selling",
        "disputes",
        "hooks",
        "spending",
    },
    "task": {"task", "task_events", "orders", "negotiation", "cancelling"},
}
"""Where a context's messages are, when not in the module of its name alone."""


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_message_belongs_to_the_context_that_defines_it(context: str):
    for message in (*EVENTS[context], *COMMANDS[context]):
        assert message.__module__.removeprefix("contracts.") in MODULES.get(context, {context})
    for command in COMMANDS[context]:
        assert re.fullmatch(rf"{context}\.{WORD}", command.type)
    for call in CALLS[context]:
        assert call.context == context
        assert re.fullmatch(WORD, call.verb)
        assert call.timeout_ms > 0


@pytest.mark.parametrize("call", ALL_CALLS, ids=lambda c: c.subject)
def test_a_call_has_a_request_model_of_its_own(call: Call[Any, Any]):
    same = {other.subject for other in ALL_CALLS if other.request is call.request}
    assert len(same) == 1 or call.verb == "ping"


@given(st.sampled_from([*ALL_EVENTS, *ALL_COMMANDS]).flatmap(messages))
def test_every_subject_is_made_of_safe_tokens(message: Event | Command):
    first, kind, *rest = message.subject().split(".")
    assert (first, kind) == ("bazaar", "evt" if isinstance(message, Event) else "cmd")
    if isinstance(message, Event) and not message.kept:
        assert rest.pop(2) == PASSING  # By which the stream EVENTS leaves it out.
    assert len(rest) == 3
    assert ".".join(rest[:2]) == message.type
    assert all(TOKEN.fullmatch(token) for token in rest)


def test_durables_filter_for_messages_that_exist():
    published = {f"bazaar.evt.{event.type}.*" for event in ALL_EVENTS}
    published |= {f"bazaar.cmd.{command.type}.*" for command in ALL_COMMANDS}
    assert {durable.filter for durable in topology.DURABLES} <= published


def test_every_command_is_consumed_by_the_context_it_is_for():
    consumed = {
        (durable.name.split("-")[0], durable.filter)
        for durable in topology.DURABLES
        if durable.stream == topology.COMMANDS.name
    }
    assert consumed == {
        (context, f"bazaar.cmd.{command.type}.*")
        for context, commands in COMMANDS.items()
        for command in commands
    }
