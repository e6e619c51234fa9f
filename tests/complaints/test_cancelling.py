"""Cancelling stops the work and the bill, whoever runs it and whichever gateway is told."""

import asyncio

import httpx

from tests.complaints.system import Marketplace, Person
from tests.gateway.reading import reading
from tests.support.polling import eventually, until
from tests.support.scripted_agent import answers, until_hung_up, waits_for


async def test_cancelling_stopped_neither_the_work_nor_the_bill(
    market: Marketplace, alice: Person
) -> None:
    """wso2/labs-agentic-engineer#424, mastra-ai/mastra#20447."""
    left = asyncio.Event()
    made = await alice.first.post("/api/tasks", json={"userQuery": "long work"})
    task = made.json()["id"]
    async with market.agent(until_hung_up(left), price="0.5") as (agent, does):
        calling = asyncio.create_task(alice.call(agent, 0, taskId=task))
        await does.called()
        async with reading(alice.first, f"/api/tasks/{task}/events") as heard:
            stopped = [await alice.at(n).post(f"/api/tasks/{task}/cancel") for n in (1, 0, 1)]
            refused = await calling
            await asyncio.wait_for(left.wait(), 20)
            await until(lambda: "task.failed" in types(heard.events), "the end is told")
            later = await alice.call(agent, 1, taskId=task)

    assert {answer.text for answer in stopped} == {stopped[0].text}
    assert stopped[0].json()["cancelled"] is True
    assert (refused.status_code, later.status_code) == (409, 409)
    assert len(does.calls) == 1
    assert types(heard.events).count("task.cancelled") == 1
    assert (await alice.wallet())["posted"] == 100
    assert await alice.get("/api/payments/bazaarbucks") == []


async def test_a_cancelled_wish_went_on_to_its_next_step(
    market: Marketplace, alice: Person
) -> None:
    """wso2/labs-agentic-engineer#424: what comes after the running step is not begun."""
    gate, skills = asyncio.Event(), [f"vqwish{alice.account[-6:]}{n}" for n in range(2)]
    async with (
        market.agent(waits_for(gate, answers("late")), skills=skills[:1]) as (_, first),
        market.agent(answers("never"), skills=skills[1:]) as (_, second),
    ):
        asking = asyncio.create_task(alice.say(f"First {skills[0]} and then {skills[1]}: the sea"))
        await first.called()
        [task] = await alice.get("/api/tasks")
        stopped = await alice.second.post(f"/api/tasks/{task['id']}/cancel")
        assert stopped.json()["cancelled"] is True
        said = await asking
        gate.set()

        async def settled() -> bool:
            return "in_progress" not in await alice.statuses(task["id"])

        await eventually(settled)

    assert said["message"]["content"].startswith("You cancelled this")
    assert (len(first.calls), second.calls) == (1, [])
    of_agents = await alice.get("/api/payments/bazaarbucks")
    assert {one["agentId"] for one in of_agents} <= {"language-model"}
    paid = sum(one["amount"] for one in of_agents)
    assert (await alice.wallet())["available"] == round(100 - paid, 6)
    turn = await alice.second.get(f"/api/turns/{said['turnId']}")
    assert (turn.status_code, turn.json()["done"]) == (httpx.codes.OK, True)


def types(events: list[dict[str, str]]) -> list[str]:
    """What kinds of events were told."""
    return [event["type"] for event in events]
