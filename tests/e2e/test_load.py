"""Many people at once: everybody is answered, and the books agree."""

import httpx
from nats.js import JetStreamContext

from tests.e2e import books, traffic
from tests.support.polling import insist


async def test_thirty_wishes_and_calls_at_once(
    http: httpx.AsyncClient, js: JetStreamContext
) -> None:
    before = await books.newest_task(http)

    outcomes = await traffic.all_at_once(http, traffic.mixed(wishes=15, calls=15))

    assert [outcome for outcome in outcomes if outcome.status != 200] == []
    chats = [outcome.body for outcome in outcomes if "turnId" in outcome.body]
    assert all(chat["done"] for chat in chats)
    assert len({chat["turnId"] for chat in chats}) == 15
    assert await insist(lambda: books.sound(http, js, before))
    tasks = await books.tasks_since(http, before)
    assert len(tasks) == 27  # Three of the wishes are questions, which need no task.
    assert {task["status"] for task in tasks} == {"completed"}
    assert await insist(lambda: books.wallet_agrees(http))
    assert await insist(lambda: books.jobs_are_counted(http, js))
