"""The database goes away in the middle of it all, and comes back."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from tests.complaints.system import Marketplace, Person
from tests.support.polling import eventually
from tests.support.scripted_agent import answers

CALLS = 20
AGAIN_S = 0.4


@asynccontextmanager
async def database_away(market: Marketplace) -> AsyncIterator[None]:
    """PostgreSQL is killed, and started again in the end."""
    await market.stack.postgres.kill()
    try:
        yield
    finally:
        await market.stack.postgres.start()


async def is_away(person: Person) -> bool:
    """Whether both gateways say that the database is."""
    found = [await person.at(number).get("/api/tasks") for number in range(2)]
    return all(one.status_code == 503 and "database" in one.json()["error"] for one in found)


async def test_spend_was_lost_with_a_write_that_failed(market: Marketplace, alice: Person) -> None:
    """BerriAI/litellm#33873, BerriAI/litellm#35531.

    The work was done, the database was away when it was to be written down, and nobody paid. Here
    everything that was asked for is done and paid once, by callers who send it again.
    """
    async with market.agent(answers(cost="0.1")) as (agent, does):

        async def until_final(order: int) -> httpx.Response:
            gateways = itertools.count(order)

            async def final() -> httpx.Response | None:
                answer = await alice.call(agent, next(gateways), key=f"order-{order}")
                ended = answer.headers.get("idempotency-outcome") == "final"
                if not ended:
                    await asyncio.sleep(AGAIN_S)
                return answer if ended else None

            found = await eventually(final)
            assert found is not None
            return found

        async with asyncio.TaskGroup() as callers:
            calling = [callers.create_task(until_final(order)) for order in range(CALLS)]
            await does.called(3)
            async with database_away(market):
                await eventually(lambda: is_away(alice))
        done = [call.result() for call in calling]

    assert [answer.status_code for answer in done] == [httpx.codes.OK] * CALLS
    wallet = await alice.wallet()
    assert wallet["posted"] == round(100 - 0.1 * CALLS, 6)
    payments = await alice.get("/api/payments/bazaarbucks")
    assert len(payments) == len({answer.json()["stepId"] for answer in done}) == CALLS


async def test_without_the_database_all_was_let_through_or_refused_for_good(
    market: Marketplace, alice: Person
) -> None:
    """BerriAI/litellm#38121: budgets did not count meanwhile, or keys were wrong ever after."""
    async with market.agent() as (agent, does):
        async with database_away(market):
            await eventually(lambda: is_away(alice))
            refused = [await alice.call(agent, number) for number in range(4)]
            assert {answer.status_code for answer in refused} == {503}
            assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
            assert does.calls == []

        async def works() -> bool:
            answers_ = [await alice.call(agent, number) for number in range(2)]
            return all(answer.status_code == httpx.codes.OK for answer in answers_)

        await eventually(works)
    assert (await alice.wallet())["posted"] == round(100 - 0.1 * len(does.calls), 6)
