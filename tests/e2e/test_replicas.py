"""Two of each service on the same bus and database: the work is shared, and the books agree."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
from nats.js import JetStreamContext

from tests.chassis.helpers import ServiceProcess, process
from tests.e2e import books, traffic
from tests.e2e.market import Market, new_skill
from tests.e2e.polling import eventually
from tests.e2e.powers import Powers
from tests.e2e.system import CONTEXTS


@pytest.fixture
async def replicas(powers: Powers) -> AsyncIterator[dict[str, ServiceProcess]]:
    """A second process of each service, started by hand beside the runner's."""
    urls = {name: value for name, value in powers.env.items() if name.endswith("_URL")}
    async with AsyncExitStack() as running:
        found = {
            context: await running.enter_async_context(
                process(
                    f"{context}_svc",
                    **urls,
                    DATABASE_URL=powers.dsn(context),
                    NATS_URL=powers.system().nats_url,
                )
            )
            for context in CONTEXTS
        }
        for replica in found.values():
            await eventually(replica.is_ready)
        yield found


async def test_two_replicas_share_the_work_and_one_of_each_may_die(
    replicas: dict[str, ServiceProcess],
    http: httpx.AsyncClient,
    js: JetStreamContext,
    market: Market,
    powers: Powers,
) -> None:
    before = await books.newest_task(http)
    outcomes = await traffic.all_at_once(http, traffic.mixed(wishes=10, calls=10))
    assert [outcome for outcome in outcomes if outcome.status != 200] == []
    assert await eventually(lambda: books.sound(http, js, before))

    agent = await market.slow_agent(new_skill("plait"))
    working = traffic.begin(http, traffic.wishes_for(agent))
    await eventually(agent.is_at_work)
    for replica in replicas.values():
        replica.kill()

    assert [outcome for outcome in await working if outcome.status != 200] == []
    assert await eventually(lambda: books.sound(http, js, before))
    assert await eventually(lambda: books.ledger_is_sound(powers))
