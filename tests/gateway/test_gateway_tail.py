"""The tail of EVENTS: one at a time, whoever comes and goes."""

import asyncio

from chassis.endings import end
from contracts.registry import AgentUpdated
from gateway.link import Link
from gateway.live import LiveEvent
from gateway.tail import Tail
from tests.chassis.helpers import eventually
from tests.gateway.helpers import gateway_settings
from tests.gateway.reading import fresh, tell


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
