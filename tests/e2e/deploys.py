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
from tests.e2e.polling import eventually
from tests.e2e.powers import Powers
from tests.e2e.system import System

ANSWER_S = 60.0
REST_S = 0.05
AGAIN_S = 90.0
MORE = 4
COMPLETED = "bazaar.evt.step.completed.*"
INVOKE = "/api/invoke-agent"
REFUSED = {502, 503, 504}
"""Not done, or done by a service whose answer was lost: the caller is told so."""


@dataclass
class Load:
    """Callers that ask one after the other until they are told to stop.

    Attributes:
        outcomes: what came of every request, with the seconds since the start at which it came.
    """

    http: httpx.AsyncClient
    began: float = field(default_factory=time.monotonic)
    outcomes: list[tuple[float, traffic.Outcome]] = field(default_factory=list)
    stopping: bool = False

    async def caller(self, number: int) -> None:
        """One caller; its wishes and calls are of every kind in turn."""
        while not self.stopping:
            make = traffic.wish if number % 2 else traffic.call
            outcome = await traffic.one(self.http, *make(number))
            self.outcomes.append((time.monotonic() - self.began, outcome))
            number += 2
            if outcome.status != httpx.codes.OK:
                await asyncio.sleep(REST_S)

    def all(self) -> list[traffic.Outcome]:
        """Every outcome."""
        return [outcome for _, outcome in self.outcomes]

    def accepted(self) -> list[traffic.Outcome]:
        """What was answered with success."""
        return [outcome for outcome in self.all() if outcome.status == httpx.codes.OK]

    async def goes_on(self) -> bool:
        """Every service is there again, and some more requests have succeeded."""
        await eventually(lambda: works_again(self.http), AGAIN_S)
        enough = len(self.accepted()) + MORE

        async def more() -> bool:
            return len(self.accepted()) >= enough

        return await eventually(more, AGAIN_S)


@asynccontextmanager
async def load(system: System, callers: int = 4) -> AsyncIterator[Load]:
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
    assert await books.jobs_are_counted(http)
    assert await books.ledger_is_sound(powers)
    return True


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
