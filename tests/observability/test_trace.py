"""The story of a task, told from the stream."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import nats
import pytest

from chassis import topology
from chassis.bus.envelopes import new_id, origin
from chassis.endings import end
from chassis.keeper import Keeper
from chassis.observability.terminal import plain
from chassis.outbox.outgoing import Outgoing
from chassis.outbox.publishing import Publisher
from deploy import trace
from tests.support.polling import eventually
from tests.support.stack import Stack


@pytest.fixture(autouse=True)
async def kept(stack: Stack) -> AsyncIterator[None]:
    """Whoever looks is answered by the keeper of the bus."""
    keeper = Keeper(topology.Settings(_env_file=None, nats_url=stack.nats_url))
    running = asyncio.create_task(keeper.run())

    async def answers() -> bool:
        return (await keeper.able())[0]

    await eventually(answers)
    yield
    await end(running)


async def test_it_is_told_in_order_with_causes(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    task = new_id()
    cause = origin("task", "task.started.v1")
    caused = origin("payment", "hold.placed.v1").model_copy(update={"causation_id": cause.id})
    begun = json.dumps({"taskId": task}).encode()
    held = json.dumps({"taskId": task, "held": "0.250000"}).encode()
    first = Outgoing(f"bazaar.evt.task.started.{task}", "EVENTS", cause.headers(), begun)
    second = Outgoing(f"bazaar.evt.hold.placed.{task}", "EVENTS", caused.headers(), held)
    client = await nats.connect(stack.nats_url)
    for message in (first, second):
        await Publisher().publish(client, [message])
    await client.close()
    monkeypatch.setenv("NATS_URL", stack.nats_url)
    assert await trace.tell(task) == 0
    one, two = capsys.readouterr().out.splitlines()
    assert one.split()[:4] == ["0", "ms", "task", "task.started"]
    assert "payment" in two
    assert two.endswith("<- task.started  held=0.250000")


async def test_what_agents_and_headers_say_does_not_steer_the_terminal() -> None:
    steering = "\x1b[2J\x9b\r\n\u202e\u2067\u200b"
    shown = {
        "subject": f"bazaar.evt.step{steering}.failed.t1",
        "headers": {"ce-time": "2026-01-01T00:00:00+00:00", "ce-source": f"task{steering}"},
        "data": {"agentName": f"{steering}Poet", "reason": steering},
    }
    found = trace.happened(shown)
    [line] = trace.story([found])
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
    shown = {
        "subject": "bazaar.evt.step.completed.t1",
        "headers": {"ce-time": "2026-01-01T00:00:00+00:00", "ce-source": "task"},
        "data": {"subtaskType": said, "cost": "0.100000"},
    }
    [line] = trace.story([trace.happened(shown)])
    assert line.endswith(f"  subtaskType={told} cost=0.100000")


def test_an_event_that_was_stored_again_is_told_once() -> None:
    """A replay stores it again, perhaps without what the server or the envelope added."""
    heads = {"ce-id": "e1", "ce-source": "task", "bazaar-attempts": "5"}
    shown: dict[str, Any] = {
        "subject": "bazaar.evt.step.started.t1",
        "headers": heads,
        "time": "2026-01-01T00:00:00.123456789Z",
        "data": {},
    }
    first = shown | {"headers": heads | {"ce-time": "2026-01-01T00:00:00+00:00"}}
    [line] = trace.story([trace.happened(first), trace.happened(shown)])
    assert line.split()[:2] == ["0", "ms"]


async def test_an_unknown_task_and_a_strange_id_are_answered_kindly(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NATS_URL", stack.nats_url)
    assert await trace.tell("nobody-knows-it") == 1
    assert "no event of a task nobody-knows-it" in capsys.readouterr().out
    assert await trace.tell("*") == 2
    assert await trace.tell("") == 2
    monkeypatch.setenv("NATS_URL", "nats://127.0.0.1:9")
    assert await trace.tell("x") == 1
    assert "cannot be reached" in capsys.readouterr().err
