"""The tail of EVENTS: one at a time, whoever comes and goes."""

import asyncio

from hypothesis import given
from hypothesis.strategies import booleans, integers, lists

from chassis.endings import end
from contracts.registry import AgentUpdated
from gateway.link import Link
from gateway.live import LiveEvent
from gateway.tail import LOOKS, Shorter, Tail
from tests.gateway.reading import fresh, tell
from tests.support.gateways import gateway_settings
from tests.support.polling import eventually


async def test_whoever_comes_and_goes_leaves_no_tail_behind(bus_url: str) -> None:
    """Two tails would tell everything twice."""
    link = Link(gateway_settings(bus_url), {})
    link.open()
    await eventually(lambda: _now(link.connected))
    told: list[int] = []

    def take(event: LiveEvent) -> None:
        told.append(event.sequence or 0)

    tail = Tail(link, take, lambda _following: None)
    publishing = asyncio.create_task(_publish(link))
    for _ in range(60):
        await tail.begin(10)
        await asyncio.sleep(0.003)
        tail.end()
    await end(publishing)
    await eventually(lambda: _now(not _following()))
    told.clear()
    await tail.begin(10)
    for _ in range(20):
        await _tell(link)
    await eventually(lambda: _now(len(told) >= 20))
    assert told == sorted(set(told))
    tail.end()
    await link.close()


@given(seen=integers(2, 1_000), behind=integers(1, 999), ends=lists(booleans(), max_size=30))
def test_a_copy_that_lags_now_and_then_is_no_new_stream(
    seen: int, behind: int, ends: list[bool]
) -> None:
    """What was told would be told again."""
    shorter = Shorter()
    in_a_row = 0
    for lags in ends:
        in_a_row = in_a_row + 1 if lags else 0
        if in_a_row == LOOKS:
            return
        assert shorter.place(seen, max(0, seen - behind) if lags else seen) == seen


def test_a_stream_that_stays_shorter_was_made_anew_and_is_read_from_there() -> None:
    shorter = Shorter()
    assert [shorter.place(9, end) for end in (3, 5, 4)] == [9, 9, 3]
    assert shorter.place(3, 4) == 3


async def _now(question: bool) -> bool:
    return question


def _following() -> list[str]:
    """The tasks that follow a tail."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return [name for name in names if name.startswith("Tail.")]


async def _publish(link: Link) -> None:
    while True:
        await _tell(link)


async def _tell(link: Link) -> None:
    id_ = fresh("agent")
    event = AgentUpdated(
        agent_id=id_, name="A", skills=["x"], base_price="1", endpoint_url="http://localhost:1"
    )
    await tell(link.client, event, "demo")
