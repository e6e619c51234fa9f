"""The story of a task, told from the gateway's stream of events."""

from typing import Any

import pytest

from chassis.observability.terminal import plain
from cli.story import story

STEERING = "\x1b[2J\x9b\r\n\u202e\u2067\u200b"


def event(id_: str, type_: str, ms: int = 0, **more: Any) -> dict[str, Any]:
    time = f"2026-01-01T00:00:00.{ms:03}+00:00"
    return {"id": id_, "type": type_, "time": time, "service": "task", "data": {}} | more


def test_it_is_told_in_order_with_causes() -> None:
    held = {"held": "0.250000"}
    told = [
        event("e2", "hold.placed", 120, cause="e1", service="payment", data=held),
        event("e1", "task.started", cause="c0"),
    ]
    one, two = story(told)
    assert one.split() == ["0", "ms", "task", "task.started"]
    assert two.split() == [
        "120",
        "ms",
        "payment",
        "hold.placed",
        "<-",
        "task.started",
        "held=0.250000",
    ]


def test_a_gateway_of_release_0_2_0_tells_no_causes_and_no_service() -> None:
    old = {"id": "e1", "type": "task.started", "time": "2026-01-01T00:00:00+00:00", "data": None}
    assert [line.split() for line in story([old])] == [["0", "ms", "?", "task.started"]]
    assert story([old | {"time": None}]) == []


def test_what_agents_and_headers_say_does_not_steer_the_terminal() -> None:
    said = {"agentName": f"{STEERING}Poet", "reason": STEERING}
    [line] = story([event("e1", f"step{STEERING}.failed", service=f"task{STEERING}", data=said)])
    assert plain(line, keep="") == line
    assert "Poet" in line


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("translate", "translate"),
        ("a-b_c.1/2:3", "a-b_c.1/2:3"),
        ("poem cost=9.000000", '"poem cost=9.000000"'),
        ("cost=9", '"cost=9"'),
        ('a"b', '"a\\"b"'),
        ("a\u00a0b\nc", '"a b c"'),
    ],
)
def test_what_an_agent_says_is_one_value_of_the_line(said: str, told: str) -> None:
    data = {"subtaskType": said, "cost": "0.100000"}
    [line] = story([event("e1", "step.completed", data=data)])
    assert line.endswith(f"  subtaskType={told} cost=0.100000")


def test_an_event_that_was_stored_again_is_told_once() -> None:
    [line] = story([event("e1", "step.started"), event("e1", "step.started")])
    assert line.split()[:2] == ["0", "ms"]
