"""Registries in this process, on servers of their own: what they list belongs to no account."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from faststream.nats import NatsBroker

from chassis.bus.calls import Bus
from chassis.bus.connecting import connect_options
from chassis.db.database import Database
from chassis.service import Service
from contracts.topology import STREAMS
from contracts.users import ADMIN
from registry_svc.app import build
from tests.registry.helpers import Client, Replica, database, registry_settings
from tests.support.stack import Stack, connected, new_stack, running
from tests.support.streams import jetstream


@pytest.fixture(scope="session")
async def own_stack() -> AsyncIterator[Stack]:
    async with new_stack() as own:
        yield own


@pytest.fixture
async def stack(own_stack: Stack) -> Stack:
    """The servers, with empty tables and streams."""
    async with connected(own_stack.owner_url("registry")) as conn:
        tables = "agents, agent_words, agent_probes, buyers, task_ratings, closed_accounts"
        tables += ", inbox, registry_outbox"
        await conn.execute(f"TRUNCATE {tables} RESTART IDENTITY")
    async with jetstream(own_stack.nats_url) as js:
        for stream in STREAMS:
            await js.purge_stream(stream.name)
    return own_stack


@pytest.fixture
def replica(stack: Stack) -> Replica:
    """Starts and stops a registry; the six agents are nowhere unless told."""

    @asynccontextmanager
    async def one(**settings: Any) -> AsyncIterator[Service]:
        service = build(registry_settings(stack, **settings))
        async with running(service):
            client = await service.broker.connect()
            await client.flush()  # Until the server knows whom to ask.
            yield service

    return one


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    """Another service's side of the bus."""
    broker = NatsBroker(**connect_options(registry_settings(stack), "test"), logger=None)
    connection = await broker.connect()
    yield Client(Bus(broker, ADMIN), connection.jetstream())
    await broker.stop()


@pytest.fixture
async def db(stack: Stack) -> AsyncIterator[Database]:
    """The registry's database, without a service that works on it by itself."""
    opened = database(stack)
    yield opened
    await opened.engine.dispose()
