"""One NATS server and one gateway for the tests that do not break them."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from contracts.chat import POST_MESSAGE
from contracts.registry import GET_AGENT, LIST_AGENTS
from contracts.task import CREATE_TASK, GET_TASK, INVOKE_AGENT, LIST_STEPS
from deploy.local.embedded import embedded_nats_server
from tests.gateway import samples
from tests.support.gateways import (
    Served,
    StandIns,
    gateway_settings,
    serving,
    stand_ins,
    until_answered,
)
from tests.support.stack import declare


@pytest.fixture(scope="session")
async def bus_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A NATS server that nobody kills."""
    home: Path = tmp_path_factory.mktemp("gateway-nats")
    async with embedded_nats_server(home) as server:
        await declare(server.url)
        yield server.url


@pytest.fixture(scope="session")
async def served(bus_url: str) -> AsyncIterator[Served]:
    """A connected gateway with the settings of production, apart from the ports."""
    with serving(gateway_settings(bus_url)) as served:
        async with served.client() as http:
            await until_answered(http, "/ready", 200)
        yield served


@pytest.fixture(scope="session")
async def http(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    """A client of that gateway."""
    async with served.client() as client:
        yield client


@pytest.fixture
async def services(bus_url: str) -> AsyncIterator[StandIns]:
    """Stand-ins on that server; they answer nothing until they are told what."""
    async with stand_ins(bus_url) as standing:
        yield standing


@pytest.fixture(scope="module")
async def everybody(bus_url: str) -> AsyncIterator[StandIns]:
    async with stand_ins(bus_url) as standing:
        await standing.answer(CREATE_TASK, samples.ONE_TASK)
        await standing.answer(INVOKE_AGENT, samples.RESULT)
        await standing.answer(POST_MESSAGE, samples.posted)
        await standing.answer(GET_AGENT, samples.ONE_AGENT)
        await standing.answer(GET_TASK, samples.ONE_TASK)
        await standing.answer(LIST_STEPS, samples.STEPS)
        await standing.answer(LIST_AGENTS, samples.AGENTS)
        yield standing


@pytest.fixture
def backend(everybody: StandIns) -> StandIns:
    """Stand-ins that answer everything, so whatever is refused was refused by the gateway."""
    everybody.asked.clear()
    return everybody
