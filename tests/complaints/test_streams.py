"""Event streams: nothing lost between two gateways, nothing held back, nothing left behind."""

import asyncio
import itertools

import httpx

from tests.complaints.system import Marketplace, Person
from tests.gateway.reading import reading
from tests.support.polling import eventually, until
from tests.support.scripted_agent import answers, waits_for

CALLS = 12


async def test_events_were_lost_when_a_stream_was_cut(market: Marketplace, alice: Person) -> None:
    """a2aproject/A2A#1635, a2aproject/a2a-python#832: what came meanwhile was never told.

    One reader is cut off again and again, and goes on at the other gateway; one reads on.
    """
    resumed: list[int] = []
    async with market.agent() as (agent, _), reading(alice.first, "/api/events") as whole:
        calling = asyncio.gather(*(alice.call(agent, number) for number in range(CALLS)))
        last = whole.last_id
        for number in itertools.count(1):
            async with reading(alice.at(number), "/api/events", last) as heard:
                await asyncio.sleep(0.02 * (number % 5))
            resumed += heard.ids
            last = heard.last_id or last
            if calling.done() and resumed[-1:] == whole.ids[-1:]:
                paid = [one for one in whole.events if one["type"] == "payment.recorded"]
                if len(paid) == CALLS:  # That is the last of a call.
                    break
        assert {answer.status_code for answer in await calling} == {httpx.codes.OK}

    assert resumed == sorted(set(resumed))
    assert resumed == whole.ids


async def test_a_proxy_kept_the_stream_to_itself(market: Marketplace, alice: Person) -> None:
    """nginx/nginx#1505: a proxy that is not told otherwise gathers events before it passes them.

    A compressed stream is gathered too, so it is sent as it is whatever the caller takes.
    """
    gate = asyncio.Event()
    async with (
        market.agent(waits_for(gate, answers())) as (agent, does),
        reading(alice.first, "/api/events") as heard,
    ):
        calling = asyncio.create_task(alice.call(agent, 1))
        await does.called()
        await until(lambda: heard.events, "an event while the work goes on")
        assert not calling.done()
        gate.set()
        await calling

    assert heard.headers["x-accel-buffering"] == "no"
    assert heard.headers["cache-control"] in ("no-store", "no-cache")
    assert "content-encoding" not in heard.headers
    assert heard.headers["content-type"].startswith("text/event-stream")


async def test_a_cleared_conversation_was_still_in_the_stream(
    market: Marketplace, alice: Person
) -> None:
    """What was said and cleared at one gateway was told again by the other.

    What the task did stays, with the wish that it was made for: `task.created` tells it.
    """
    skill = f"vqpoem{alice.account[-6:]}"
    async with market.agent(answers("A poem."), skills=[skill]):
        said = await alice.say(f"Please {skill}: the sea")
    task = said["taskId"]
    await alice.say("Tell nobody that it is the swan-song.", taskId=task)

    async def told(number: int) -> list[dict[str, str]]:
        """The whole story of the task, at one of the gateways."""
        path = f"/api/hubchat/stream?taskId={task}"
        async with reading(alice.at(number), path) as heard:
            await until(lambda: "task.completed" in str(heard.events), "the story so far")
            await asyncio.sleep(0.1)
        return heard.events

    assert "swan-song" in str(await told(1))
    cleared = await alice.first.delete(f"/api/hubchat/messages/{task}")
    assert (cleared.status_code, cleared.json()["messages"]) == (httpx.codes.OK, 4)

    async def gone() -> bool:
        kinds = {event["type"] for number in range(2) for event in await told(number)}
        return not any(kind.startswith(("message.", "turn.")) for kind in kinds)

    await eventually(gone)
    assert "swan-song" not in str(await told(0))
    assert await alice.get("/api/messages", taskId=task) == []
    turn = await alice.get(f"/api/turns/{said['turnId']}")
    assert (turn["done"], turn["message"]) == (True, None)
