"""Messages for the probe, and waiting for what becomes of them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from nats.js import JetStreamContext

from chassis.bus.envelopes import origin
from chassis.db.transaction import Transaction
from chassis.service import Service
from contracts import envelope
from contracts.topology import Durable
from tests.chassis import probe
from tests.chassis.probe import Happened
from tests.support import streams
from tests.support.polling import eventually
from tests.support.stack import Stack, running

Handler = Callable[..., Awaitable[None]]


@asynccontextmanager
async def consumer(stack: Stack, durable: Durable, handler: Handler) -> AsyncIterator[Service]:
    """A probe that consumes a durable."""
    service = probe.build(stack)
    service.consume(durable, handler)
    async with running(service):
        yield service


async def tell(
    js: JetStreamContext,
    task: str,
    body: bytes | None = None,
    headers: dict[str, str | None] | None = None,
) -> str:
    """Publish an event of a task, or a body that is none; its id."""
    wanted = origin("test", "probe.happened.v1", "ann").headers() | (headers or {})
    sent = {k: v for k, v in wanted.items() if v is not None}
    await js.publish(
        f"bazaar.evt.probe.happened.{task}",
        Happened(task_id=task).model_dump_json().encode() if body is None else body,
        stream="EVENTS",
        headers=sent,
    )
    return sent.get(envelope.ID, "")


async def settled(js: JetStreamContext, durable: Durable) -> None:
    """Wait until the consumer has nothing left."""
    await eventually(lambda: streams.settled(js, durable.stream, durable.name))


async def traces(sql: "asyncpg.Pool[Any]", task: str) -> int:
    found: int = await sql.fetchval("SELECT count(*) FROM effects WHERE task_id = $1", task)
    return found


async def leave_trace(event: Happened, tx: Transaction) -> None:
    await probe.note(tx.conn, event.task_id, event.what)
