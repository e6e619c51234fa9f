"""Two of each service on the same bus and database: the work is shared, and the books agree."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
from nats.js import JetStreamContext

from contracts.users import CONTEXTS
from tests.e2e import books, traffic
from tests.e2e.market import Market, new_skill
from tests.e2e.powers import Powers, Replica
from tests.support.polling import insist


@pytest.fixture
async def replicas(powers: Powers) -> AsyncIterator[list[Replica]]:
    """A second process of each service."""
    async with AsyncExitStack() as running:
        seconds = (running.enter_async_context(powers.second(context)) for context in CONTEXTS)
        yield [await second for second in seconds]


async def test_two_replicas_share_the_work_and_one_of_each_may_die(
    replicas: list[Replica],
    http: httpx.AsyncClient,
    js: JetStreamContext,
    market: Market,
    powers: Powers,
) -> None:
    before = await books.newest_task(http)
    outcomes = await traffic.all_at_once(http, traffic.mixed(wishes=10, calls=10))
    assert [outcome for outcome in outcomes if outcome.status != 200] == []
    assert await insist(lambda: books.sound(http, js, before))

    agent = await market.slow_agent(new_skill("plait"))
    working = traffic.begin(http, traffic.wishes_for(agent))
    await insist(agent.is_at_work)
    await asyncio.gather(*(replica.kill() for replica in replicas))

    assert [outcome for outcome in await working if outcome.status != 200] == []
    assert await insist(lambda: books.sound(http, js, before))
    assert await insist(lambda: books.ledger_is_sound(powers))
