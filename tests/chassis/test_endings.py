"""What is done again and again goes on, whatever becomes of one round."""

import asyncio
import gc
from typing import Any

import pytest

from chassis import endings
from chassis.endings import end, repeat
from chassis.protocols.mcp_client import apart


async def given_up_by_another() -> None:
    """Wait for what somebody else cancels, as a client does with what it still waits for."""
    waited_for = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(waited_for.cancel)
    await waited_for


async def failing() -> None:
    raise ValueError("a bad round")


async def failing_together() -> None:
    """Of Python 3.11, the group leaves whoever waits for it told to end."""
    async with asyncio.TaskGroup() as group:
        group.create_task(failing())


@pytest.mark.parametrize("trouble", [given_up_by_another, failing, failing_together])
async def test_a_round_that_ends_badly_is_not_the_last(trouble: object) -> None:
    rounds, twice = [], asyncio.Event()

    async def job() -> None:
        rounds.append(1)
        if len(rounds) == 1:
            await trouble()  # type: ignore[operator]  # a coroutine function
        twice.set()

    task = asyncio.create_task(repeat(0, job))
    async with asyncio.timeout(20):
        await twice.wait()
    await end(task)
    assert task.cancelled()


async def test_who_is_told_to_stop_stops() -> None:
    begun = asyncio.Event()

    async def job() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(repeat(0, job))
    await begun.wait()
    await end(task)
    assert task.cancelled()


async def test_a_round_that_takes_long_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    told = asyncio.Event()
    warned: list[tuple[str, dict[str, Any]]] = []

    def warning(said: str, **about: Any) -> None:
        if "slow" in about["job"]:  # What else runs here takes long now, too.
            warned.append((said, about))
            told.set()

    monkeypatch.setattr(endings, "LONG_S", 0)
    monkeypatch.setattr(endings.log, "warning", warning)

    async def slow() -> None:
        await told.wait()

    task = asyncio.create_task(repeat(3600, slow))
    async with asyncio.timeout(20):
        await told.wait()
    await end(task)
    [(said, about)] = warned
    assert said == "background job takes long"
    assert about["at"][0].startswith("chassis.endings:")
    assert about["at"][1].startswith(__name__)


async def test_how_work_apart_broke_when_nobody_waited_any_more_is_no_news() -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, about: told.append(about))
    begun = asyncio.Event()

    async def breaks() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            raise OSError("the connection is gone")

    task = asyncio.create_task(apart(breaks(), 60))
    await begun.wait()
    await end(task)
    assert task.cancelled()
    del task
    gc.collect()
    assert told == []
