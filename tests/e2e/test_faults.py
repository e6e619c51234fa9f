"""`kill -9` in the middle of work: nothing is lost, done twice, paid twice or left open."""

import asyncio
import itertools
import time

import httpx
import pytest

from tests.e2e import books, traffic
from tests.e2e.market import Market, new_skill
from tests.e2e.powers import Powers
from tests.e2e.system import System
from tests.support.polling import insist

AT_ONCE_S = 3.0
ANSWER_S = 40.0
AWAY = {
    "registry_svc": ("/api/agents", "registry"),
    "task_svc": ("/api/tasks", "task"),
    "payment_svc": ("/api/payments/stripe", "payment"),
    "chat_svc": ("/api/messages", "chat"),
    "nats": ("/api/tasks", "bus"),
    "postgres": ("/api/tasks", "database"),
}
"""What is asked for while it is away, and the word that names it."""


@pytest.mark.parametrize(
    "victims",
    ["task_svc chat_svc", "payment_svc registry_svc translator", "postgres", "nats", "gateway"],
)
async def test_a_kill_in_the_middle_of_work(
    victims: str, powers: Powers, system: System, market: Market
) -> None:
    """One after the other, so that what the first leaves to be found is found meanwhile."""
    agent = await market.slow_agent(new_skill("weave"))
    async with system.client(ANSWER_S) as http:
        before = await books.newest_task(http)
        working = []
        for victim in victims.split():
            work = [*traffic.for_agent(agent), *traffic.mixed(wishes=3, calls=3)]
            working.append(traffic.begin(http, work))
            await insist(agent.is_at_work)
            noticing = asyncio.create_task(is_named(http, victim))
            await powers.kill(victim)
            await noticing
            assert await insist(lambda: works_again(http))

        for outcome in [outcome for outcomes in working for outcome in await outcomes]:
            assert outcome.status in (None, 200, 409, 502, 503, 504), outcome
            assert outcome.status is not None or victims == "gateway", outcome
            assert outcome.status == 200 or outcome.body["error"]
        async with system.bus() as bus:
            assert await insist(lambda: books.sound(http, bus.jetstream(), before))
    assert await insist(lambda: books.ledger_is_sound(powers))


async def is_named(http: httpx.AsyncClient, victim: str) -> None:
    """Wait for the 503 that names who is away; every answer comes at once meanwhile."""
    if victim not in AWAY:
        return
    path, word = AWAY[victim]

    async def named() -> bool:
        began = time.monotonic()
        limit = next(limits)  # What was not asked before, nobody has kept an answer to.
        answer = await http.get(path, params={"limit": limit})
        took.append(time.monotonic() - began)
        return answer.status_code == 503 and word in answer.json()["error"]

    took: list[float] = []
    limits = itertools.cycle(range(1, 101))
    await insist(named)
    assert max(took) < AT_ONCE_S


async def works_again(http: httpx.AsyncClient) -> bool:
    """The gateway finds every service, and a wish goes all the way, by themselves."""
    try:
        health = (await http.get("/health")).json()
        assert health["status"] == "ok", health
        wish = {"content": "Translate 'hello' to Spanish"}
        said = await http.post("/api/hubchat/message", json=wish)
    except httpx.TransportError as error:
        raise AssertionError(str(error)) from error
    assert said.status_code == 200, said.text
    message = said.json()["message"]
    return message is not None and message["content"] == "hola"
