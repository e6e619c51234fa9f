"""A load that goes on while services are replaced, and what has to be true of it afterwards."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from nats.js import JetStreamContext

from tests.e2e import books, traffic
from tests.e2e.powers import Powers
from tests.e2e.system import System
from tests.support.polling import insist

ANSWER_S = 60.0
REST_S = 0.05
AGAIN_S = 90.0
OK = httpx.codes.OK
COMPLETED = "bazaar.evt.step.completed.*"
CHAT, INVOKE = "/api/hubchat/message", "/api/invoke-agent"
REFUSED = {409, 502, 503, 504}
"""Not done, or done by a service whose answer was lost, or going on: the caller is told so."""


@dataclass
class Load:
    """Callers that ask one after the other until they are told to stop.

    Attributes:
        outcomes: what came of every request, with the moment at which it was made.
    """

    http: httpx.AsyncClient
    outcomes: list[tuple[float, traffic.Outcome]] = field(default_factory=list)
    stopping: bool = False

    async def caller(self, number: int) -> None:
        """One caller; its wishes and calls are of every kind in turn."""
        while not self.stopping:
            make = traffic.wish if number % 2 else traffic.call
            begun = time.monotonic()
            outcome = await traffic.one(self.http, *make(number))
            self.outcomes.append((begun, outcome))
            number += 2
            if outcome.status != OK:
                await asyncio.sleep(REST_S)

    def all(self) -> list[traffic.Outcome]:
        """Every outcome."""
        return [outcome for _, outcome in self.outcomes]

    def accepted(self) -> list[traffic.Outcome]:
        """What was answered with success."""
        return [outcome for outcome in self.all() if outcome.status == OK]

    async def goes_on(self) -> bool:
        """A wish and a call that are made from now on succeed: all services have a part in them."""
        now = time.monotonic()

        async def again() -> bool:
            good = {one.path for begun, one in self.outcomes if begun > now and one.status == OK}
            return good == {CHAT, INVOKE}

        return await insist(again, AGAIN_S)


@asynccontextmanager
async def load(system: System, callers: int = 3) -> AsyncIterator[Load]:
    """A load on a system; on leaving, every request that was begun is answered."""
    async with system.client(ANSWER_S) as http:
        going = Load(http)
        calling = asyncio.gather(*map(going.caller, range(callers)))
        try:
            yield going
        finally:
            going.stopping = True
            await calling


async def nothing_lost(
    http: httpx.AsyncClient,
    js: JetStreamContext,
    powers: Powers,
    accepted: Collection[traffic.Outcome],
) -> bool:
    """Every accepted request is done and paid for once; every event took effect once.

    Raises:
        AssertionError: what is missing, or there twice.
    """
    assert accepted
    tasks = {task["id"] for task in await books.tasks_since(http, None)}
    recorded = await books.history(js, "bazaar.evt.payment.recorded.*")
    paid = Counter(payment["stepId"] for payment in recorded)
    ended = Counter(step["stepId"] for step in await books.history(js, COMPLETED))
    answers = {
        message["id"]
        for message in await books.everything(http, "/api/messages")
        if message["role"] == "assistant"
    }
    for outcome in accepted:
        if outcome.path == INVOKE:
            assert outcome.body["taskId"] in tasks, outcome
            assert ended[outcome.body["stepId"]] == paid[outcome.body["stepId"]] == 1, outcome
        elif outcome.body["done"]:
            assert outcome.body["message"]["id"] in answers, outcome
    assert await books.sound(http, js, None)  # Every turn, also the slow ones, has one answer.
    assert await books.wallet_agrees(http)
    assert await books.jobs_are_counted(http, js)
    assert await books.ledger_is_sound(powers)
    return True
