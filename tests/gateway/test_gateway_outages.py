"""A call with a key outlives short outages: sent again it is done in the end, and paid once.

Over HTTP at two gateways, with the real services behind them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal

import httpx
import pytest

from chassis.bus.envelopes import new_id
from contracts.envelope import DEFAULT_ACCOUNT
from contracts.ledger import OPEN_WALLET
from tests.support.gateways import gateway_settings, serving, until_answered
from tests.support.polling import eventually
from tests.support.scripted_agent import Behaviour, answers, hangs_up, is_busy, says, waits_for
from tests.support.services import payment_service, registry_service, task_service
from tests.support.stack import Stack, running
from tests.support.system import System, listening

PATH = "/api/invoke-agent"


@pytest.fixture(scope="module")
async def market(stack: Stack) -> AsyncIterator[System]:
    """Registry and task service; payment is the tests' own."""
    services = registry_service(stack), task_service(stack)
    payment = payment_service(stack)
    async with running(*services), listening(stack, payment) as system:
        async with running(payment_service(stack)):
            await system.ask(OPEN_WALLET, DEFAULT_ACCOUNT)
        yield system


@pytest.fixture(scope="module")
async def gateways(stack: Stack) -> AsyncIterator[list[httpx.AsyncClient]]:
    async with AsyncExitStack() as open_:
        clients = []
        for _ in range(2):
            served = open_.enter_context(serving(gateway_settings(stack.nats_url)))
            clients.append(await open_.enter_async_context(served.client()))
            await until_answered(clients[-1], "/ready", 200)
        yield clients


class Caller:
    """Sends one request with one key, to one gateway after the other."""

    def __init__(self, gateways: list[httpx.AsyncClient], agent_id: str) -> None:
        self.gateways = gateways
        self.body = {"agentId": agent_id, "payload": {"text": "hello"}}
        self.headers = {"Idempotency-Key": new_id()}
        self.outcomes: list[tuple[int, str]] = []

    async def once(self) -> httpx.Response:
        gateway = self.gateways[len(self.outcomes) % len(self.gateways)]
        answer = await gateway.post(PATH, json=self.body, headers=self.headers)
        self.outcomes.append((answer.status_code, answer.headers["idempotency-outcome"]))
        return answer

    async def until_final(self) -> httpx.Response:
        async def final() -> httpx.Response | None:
            answer = await self.once()
            return answer if answer.headers["idempotency-outcome"] == "final" else None

        found = await eventually(final)
        assert found is not None
        return found


async def paid(system: System, answer: httpx.Response) -> Decimal:
    return await system.paid(DEFAULT_ACCOUNT, answer.json()["taskId"])


@pytest.mark.parametrize(
    ("trouble", "status"),
    [([says("no", 500)], 502), ([is_busy()] * 4, 503), ([hangs_up] * 4, 502)],
    ids=["500", "503", "hangs up"],
)
async def test_an_agent_that_was_in_trouble(
    market: System, gateways: list[httpx.AsyncClient], trouble: list[Behaviour], status: int
) -> None:
    async with (
        running(payment_service(market.stack)),
        market.agent(*trouble, answers("Hola", 0.12), price="0.12") as (agent_id, agent),
    ):
        caller = Caller(gateways, agent_id)
        await caller.once()
        answer = await caller.until_final()
        again = await caller.once()
        assert (answer.status_code, answer.json()["result"]) == (200, "Hola")
        assert (again.content, again.headers["idempotency-replayed"]) == (answer.content, "true")
        assert await paid(market, answer) == Decimal("0.12")
    assert caller.outcomes[0] == (status, "open")
    assert len(agent.calls) == len(trouble) + 1


async def test_payment_that_was_away_before_the_call(
    market: System, gateways: list[httpx.AsyncClient]
) -> None:
    async with market.agent(answers("Hola", 0.12), price="0.12") as (agent_id, agent):
        caller = Caller(gateways, agent_id)
        for _ in range(2):
            assert (await caller.once()).status_code == 503
        assert agent.calls == []
        async with running(payment_service(market.stack)):
            answer = await caller.until_final()
            assert answer.status_code == 200
            assert await paid(market, answer) == Decimal("0.12")
    assert caller.outcomes[:2] == [(503, "open")] * 2
    assert len(agent.calls) == 1


async def test_payment_that_went_away_while_the_agent_worked(
    market: System, gateways: list[httpx.AsyncClient]
) -> None:
    """All that the call may cost is held: it is answered, and booked when payment is back."""
    gate = asyncio.Event()
    work = answers("Hola", 0.7)
    async with market.agent(waits_for(gate, work), price="0.7") as (agent_id, agent):
        caller = Caller(gateways, agent_id)
        async with running(payment_service(market.stack)):
            asking = asyncio.create_task(caller.once())
            await agent.called()
        gate.set()
        assert (await asking).status_code == 200
        async with running(payment_service(market.stack)):
            answer = await caller.until_final()
            assert await paid(market, answer) == Decimal("0.7")
    assert set(caller.outcomes) == {(200, "final")}
    assert len(agent.keys) == 1
