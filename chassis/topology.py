"""Declares streams, consumers and buckets (`python -m chassis.topology`) and detects drift.

One owner declares them, because every service that declares a stream overwrites the settings of
the others, and because the server ignores a changed setting of an existing consumer silently.
"""

import asyncio
import sys

import nats
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError
from pydantic import Field

from chassis.settings import BusSettings
from contracts.permissions import ADMIN, inbox
from contracts.topology import BUCKETS, DURABLES, STREAMS, Bucket, Durable, Stream


class Drift(Exception):
    """The server's streams or consumers are not as `contracts.topology` says."""

    loggable = True


def stream_config(stream: Stream, replicas: int) -> StreamConfig:
    """The server's settings for a stream; file storage, so that it survives a restart."""
    return StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        retention=(
            RetentionPolicy.WORK_QUEUE
            if stream.retention == "workqueue"
            else RetentionPolicy.LIMITS
        ),
        max_age=stream.max_age_s,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        duplicate_window=stream.duplicate_window_s,
        num_replicas=replicas,
        allow_direct=True,
    )


def bucket_config(bucket: Bucket, replicas: int) -> StreamConfig:
    """The server's settings for the stream of a bucket, as all clients of NATS make them."""
    return StreamConfig(
        name=bucket.stream,
        subjects=[f"$KV.{bucket.name}.>"],
        max_msgs_per_subject=1,
        max_age=bucket.max_age_s,
        max_msg_size=bucket.max_value_bytes,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        duplicate_window=120,
        num_replicas=replicas,
        allow_rollup_hdrs=True,
        deny_delete=True,
        allow_direct=True,
    )


def consumer_config(durable: Durable) -> ConsumerConfig:
    """The server's settings for a durable: we count attempts, so the server never parks one."""
    return ConsumerConfig(
        name=durable.name,
        durable_name=durable.name,
        filter_subject=durable.filter,
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=durable.ack_wait_s,
        max_deliver=-1,
        max_ack_pending=durable.concurrency,
    )


async def declare(js: JetStreamContext, *, replicas: int = 1) -> None:
    """Create or change all to what `contracts.topology` says."""
    streams = [stream_config(stream, replicas) for stream in STREAMS]
    for config in [*streams, *(bucket_config(bucket, replicas) for bucket in BUCKETS)]:
        try:
            await js.stream_info(str(config.name))
            await js.update_stream(config)
        except NotFoundError:
            await js.add_stream(config)
    for durable in DURABLES:
        await js.add_consumer(durable.stream, consumer_config(durable))


def drifts(durable: Durable, found: ConsumerConfig) -> list[str]:
    """Where a consumer on the server differs from its page, as readable words."""
    wanted = consumer_config(durable)
    names = ("filter_subject", "ack_wait", "max_deliver", "max_ack_pending")
    return [
        f"{durable.name}.{name} is {getattr(found, name)}, not {getattr(wanted, name)}"
        for name in names
        if getattr(found, name) != getattr(wanted, name)
    ]


async def verify(js: JetStreamContext, context: str) -> None:
    """Check that what `context` consumes is declared as the page says.

    Raises:
        Drift: something is missing or different; run the topology step of this release.
    """
    wrong: list[str] = []
    for durable in DURABLES:
        if durable.name.split("-")[0] != context:
            continue
        try:
            info = await js.consumer_info(durable.stream, durable.name)
        except NotFoundError:
            wrong.append(f"{durable.name} is missing")
            continue
        if info.config is not None:
            wrong += drifts(durable, info.config)
    if wrong:
        raise Drift("Run `python -m chassis.topology` of this release: " + "; ".join(wrong))


class Settings(BusSettings):
    """What the topology step reads beside the bus's settings.

    Attributes:
        stream_replicas: servers of a NATS cluster that keep each message; 1 without a cluster.
    """

    stream_replicas: int = Field(default=1, ge=1, le=5)


async def main() -> int:
    """Declare everything on the server at NATS_URL."""
    settings = Settings()
    client = await nats.connect(
        settings.nats_url.split(","),
        connect_timeout=5,
        max_reconnect_attempts=20,
        inbox_prefix=inbox(ADMIN),
    )
    try:
        await declare(client.jetstream(), replicas=settings.stream_replicas)
    finally:
        await client.close()
    sys.stdout.write(
        f"declared {len(STREAMS)} streams, {len(BUCKETS)} buckets and {len(DURABLES)} consumers\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
