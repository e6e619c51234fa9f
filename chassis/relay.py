"""The outbox relay: takes committed messages from the table and publishes them to their streams."""

import asyncio
import json
from typing import Any

import structlog
from faststream.nats import NatsBroker
from faststream_outbox import OutboxBroker
from faststream_outbox.retry import ExponentialRetry

from chassis.bus import MAX_MESSAGE_BYTES
from chassis.database import RELAY_QUEUE

log = structlog.get_logger()
PUBLISH_TIMEOUT_S = 5.0


def relay(outbox: OutboxBroker, broker: NatsBroker, *, workers: int) -> None:
    """Subscribe the relay to a service's outbox.

    A row holds the messages of one transaction. They leave in order; the row is deleted when the
    stream has confirmed each, and comes again, for ever, when one was not confirmed. A repeat is
    recognised by its `Nats-Msg-Id` in the stream and by the consumers' inboxes.
    """

    @outbox.subscriber(
        RELAY_QUEUE,
        max_workers=workers,
        fetch_batch_size=64,
        min_fetch_interval=0.5,
        max_fetch_interval=5.0,
        lease_ttl_seconds=30.0,
        retry_strategy=ExponentialRetry(
            initial_delay_seconds=0.2, max_delay_seconds=10.0, jitter_factor=0.2
        ),
    )
    async def publish(row: list[dict[str, Any]]) -> None:
        client = await broker.connect()
        stream = client.jetstream()
        await asyncio.gather(
            *(
                stream.publish(
                    message["subject"],
                    weighed(json.dumps(message["data"], ensure_ascii=False).encode()),
                    stream=message["stream"],
                    headers=message["headers"],
                    timeout=PUBLISH_TIMEOUT_S,
                )
                for message in row
            )
        )


def weighed(body: bytes) -> bytes:
    """The body, or a log line that says why it will never leave.

    Raises:
        ValueError: heavier than a message may be.
    """
    if len(body) > MAX_MESSAGE_BYTES:
        log.error("message too heavy", bytes=len(body))
        raise ValueError(f"{len(body)} bytes are more than a message may have")
    return body
