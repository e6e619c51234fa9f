"""What the gateway keeps of a stream that is open, by whichever door it came."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from contracts.task import GET_TASK, LIST_STEPS, StepList, TaskReply
from tests.gateway import samples
from tests.support.gateways import Served, StandIns
from tests.support.polling import until

MORE, TASKS_EACH = 3, 2
"""The request's own, and one that looks whether its caller is there."""
STREAMS: dict[str, dict[str, Any]] = {
    "events": {"method": "GET", "url": "/api/events"},
    "HubChat": {"method": "GET", "url": "/api/hubchat/stream"},
    "A2A, JSON-RPC": {
        "method": "POST",
        "url": "/a2a",
        "headers": {"A2A-Version": "1.0"},
        "json": {"jsonrpc": "2.0", "id": 1, "method": "SubscribeToTask", "params": {"id": "t1"}},
    },
    "A2A, HTTP+JSON": {
        "method": "POST",
        "url": "/a2a/tasks/t1:subscribe",
        "headers": {"A2A-Version": "1.0"},
    },
}


@pytest.mark.parametrize("kind", STREAMS)
async def test_a_further_stream_is_two_tasks_and_one_reader(
    served: Served, services: StandIns, kind: str
) -> None:
    """They were ten by A2A, with 114 KiB; `bench.streams` measures what they come to now."""
    task = samples.ONE_TASK.task.model_copy(update={"status": "in_progress"})
    await services.answer(GET_TASK, TaskReply(task=task))
    await services.answer(LIST_STEPS, StepList(steps=[]))
    streams, keeping = served.gateway.streams, served.gateway.link._keeping
    assert keeping is not None
    loop = keeping.get_loop()
    lines: list[AsyncIterator[str]] = []
    async with served.client() as http, AsyncExitStack() as open_:

        async def opened() -> None:
            answer = await open_.enter_async_context(http.stream(**STREAMS[kind]))
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines.append(answer.aiter_lines())
            await anext(lines[-1])

        await opened()  # With it the gateway begins to follow, once for all.
        known, readers = asyncio.all_tasks(loop), streams.readers
        for _ in range(MORE):
            await opened()
        assert streams.readers == readers + MORE
        await until(
            lambda: len(asyncio.all_tasks(loop) - known) == MORE * TASKS_EACH, "two tasks each"
        )
    await until(lambda: streams.readers < readers, "all are let go")
