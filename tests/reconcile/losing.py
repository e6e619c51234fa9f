"""Losing messages as a disk does that is put back: the streams are older than the database."""

import asyncio
import json
import shutil
from pathlib import Path

from nats.aio.client import Client

from chassis.bus.calls import Bus
from contracts.topology import Durable
from tests.support.polling import eventually
from tests.support.stack import Stack
from tests.support.system import System

FAR_OFF = "2999-01-01T00:00:00Z"


async def pause(system: System, *durables: Durable) -> None:
    """Let messages of these durables wait in their stream, as when a service is busy."""
    client = await system.bus.client()
    for one in durables:
        subject = f"$JS.API.CONSUMER.PAUSE.{one.stream}.{one.name}"
        said = await client.request(subject, json.dumps({"pause_until": FAR_OFF}).encode())
        assert json.loads(said.data)["paused"]


async def back(*buses: Bus) -> None:
    """Wait until all are connected again."""
    for bus in buses:
        client = await bus.client()

        async def connected(client: Client = client) -> bool:
            return client.is_connected

        await eventually(connected)


async def copied(stack: Stack) -> Path:
    """A copy of all that JetStream has on its disk now."""
    store = stack.nats.process.cwd / "jetstream"
    copy = store.with_name("copy")
    await stack.nats.stop()
    await asyncio.to_thread(shutil.copytree, store, copy)
    await stack.nats.start()
    return copy


async def put_back(stack: Stack, copy: Path) -> None:
    """Start NATS with the copy in place of what it has."""
    store = stack.nats.process.cwd / "jetstream"
    await stack.nats.stop()
    await asyncio.to_thread(shutil.rmtree, store)
    await asyncio.to_thread(copy.rename, store)
    await stack.nats.start()
