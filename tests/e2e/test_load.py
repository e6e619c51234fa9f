"""Many people at once: everybody is answered, and the books agree."""

import httpx
from nats.js import JetStreamContext

from tests.e2e import books, traffic
from tests.e2e.polling import eventually


async def test_thirty_wishes_and_calls_at_once(
    http: httpx.AsyncClient, js: JetStreamContext
) -> None:
    before = await books.newest_task(http)

    outcomes = await traffic.all_at_once(http, traffic.mixed(wishes=15, calls=15))

    assert [outcome for outcome in outcomes if outcome.status != 200] == []
    chats = [outcome.body for outcome in outcomes if "turnId" in outcome.body]
    assert all(chat["done"] for chat in chats)
    asked = {body["turnId"] for body in chats}
    assert len(asked) == 15

    async def agreed() -> bool:
        tasks = await books.tasks_since(http, before)
        assert len(tasks) == 27  # three of the wishes are questions, which need no task
        assert {task["status"] for task in tasks} == {"completed"}
        assert await books.disagreements(http, js, tasks) == []
        return True

    assert await eventually(agreed)
    assert await books.unanswered(js) == {}


async def test_every_job_is_counted_once_and_nobody_stays_busy(http: httpx.AsyncClient) -> None:
    await traffic.all_at_once(http, [traffic.call(kind) for kind in range(10)])
    tasks = await books.everything(http, "/api/tasks", limit=500)
    steps = await books.steps_of(http, [task["id"] for task in tasks])
    done: dict[str, int] = {}
    for step in sum(steps.values(), []):
        if step["status"] == "completed":
            done[step["agentId"]] = done.get(step["agentId"], 0) + 1

    async def counted() -> bool:
        agents = await books.everything(http, "/api/agents", limit=500)
        assert {a["id"]: a["jobsCompleted"] for a in agents if a["jobsCompleted"]} == done
        assert [a for a in agents if a["load"] and a["id"] != "mock_busy"] == []
        return True

    assert await eventually(counted)
