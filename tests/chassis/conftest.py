"""The probe on the shared servers, and servers that may be killed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from nats.js import JetStreamContext

from chassis import topology
from chassis.bus.envelopes import new_id
from chassis.service import Service
from contracts.topology import Durable
from tests.chassis import probe
from tests.support.stack import Stack, new_stack, running
from tests.support.streams import jetstream

NewDurable = Callable[..., Awaitable[Durable]]


@pytest.fixture(scope="session")
async def probe_stack(stack: Stack) -> Stack:
    """The shared servers, with the probe's schema."""
    await probe.prepare(stack)
    return stack


@pytest.fixture(scope="session")
async def killable() -> AsyncIterator[Stack]:
    """Servers for tests that kill them; whoever does starts them again."""
    async with new_stack() as own:
        await probe.prepare(own)
        yield own


@pytest.fixture(scope="session")
async def js(probe_stack: Stack) -> AsyncIterator[JetStreamContext]:
    async with jetstream(probe_stack.nats_url) as context:
        yield context


@pytest.fixture(scope="session")
async def sql(probe_stack: Stack) -> AsyncIterator["asyncpg.Pool[Any]"]:
    """Connections with the rights of the probe."""
    url = probe_stack.database_url("probe")
    async with asyncpg.create_pool(url, min_size=1, max_size=4) as pool:
        yield pool


@pytest.fixture
async def service(probe_stack: Stack) -> AsyncIterator[Service]:
    """The probe, running, without handlers."""
    service = probe.build(probe_stack)
    async with running(service):
        yield service


@pytest.fixture
async def durable(
    js: JetStreamContext,
) -> AsyncIterator[NewDurable]:
    """Declares a durable for one task's events, in the tests' own little topology."""
    made: list[Durable] = []

    async def make(task_id: str, **settings: Any) -> Durable:
        wanted = Durable(
            f"probe-{new_id()}",
            "EVENTS",
            f"bazaar.evt.probe.happened.{task_id}",
            **{"concurrency": 4, "ack_wait_s": 2, "attempts": 3, **settings},
        )
        await js.add_consumer(wanted.stream, topology.consumer_config(wanted))
        made.append(wanted)
        return wanted

    yield make
    for wanted in made:
        await js.delete_consumer(wanted.stream, wanted.name)
