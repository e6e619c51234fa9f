"""Declares streams, consumers and buckets (`python -m chassis.topology`) and detects drift.

One owner declares them, because every service that declares a stream overwrites the settings of
the others, and because the server ignores a changed setting of an existing consumer silently.
"""

import asyncio
import json
import sys
from functools import partial
from http import HTTPStatus
from typing import Any

import nats
from nats.aio.client import Client
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import APIError, BadRequestError, ServerError
from pydantic import Field

from chassis.bus.connecting import close
from chassis.bus.declared import Declared
from chassis.bus.drift import differences
from chassis.bus.leaders import patiently
from chassis.bus.servers import servers
from chassis.settings import BusSettings
from contracts.topology import (
    BUCKETS,
    DURABLES,
    STREAM_BYTES,
    STREAMS,
    Bucket,
    Durable,
    Stream,
)
from contracts.users import ADMIN, inbox

ANSWER_S = 5.0
PATIENCE_S = 60.0
"""How long the step waits for a cluster that elects its leaders, or whose servers only start."""
DISCARD = {"drop_old": DiscardPolicy.OLD, "refuse_new": DiscardPolicy.NEW}


class Drift(Exception):
    """The server's streams or consumers are not as `contracts.topology` says."""

    loggable = True


def stream_config(stream: Stream, replicas: int, in_all: int = STREAM_BYTES) -> StreamConfig:
    """The server's settings for a stream; file storage, so that it survives a restart.

    Args:
        stream: its page.
        replicas: servers that keep it.
        in_all: bytes that all streams together may take.
    """
    return StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        retention=(
            RetentionPolicy.WORK_QUEUE
            if stream.retention == "workqueue"
            else RetentionPolicy.LIMITS
        ),
        max_age=stream.max_age_s,
        max_bytes=_share(stream, in_all),
        storage=StorageType.FILE,
        discard=DISCARD[stream.at_bound],
        duplicate_window=stream.duplicate_window_s,
        num_replicas=replicas,
        allow_direct=True,
    )


def bucket_config(bucket: Bucket, replicas: int, in_all: int = STREAM_BYTES) -> StreamConfig:
    """The server's settings for the stream of a bucket, as all clients of NATS make them."""
    return StreamConfig(
        name=bucket.stream,
        subjects=[f"$KV.{bucket.name}.>"],
        max_msgs_per_subject=1,
        max_age=bucket.max_age_s,
        max_msg_size=bucket.max_value_bytes,
        max_bytes=_share(bucket, in_all),
        storage=StorageType.FILE,
        discard=DISCARD[bucket.at_bound],
        duplicate_window=120,
        num_replicas=replicas,
        allow_rollup_hdrs=True,
        deny_delete=True,
        allow_direct=True,
    )


def _share(kept: Stream | Bucket, in_all: int) -> int:
    return in_all * kept.percent // 100


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


async def declare(client: Client, *, replicas: int = 1, in_all: int = STREAM_BYTES) -> Declared:
    """Create or change all to what `contracts.topology` says; what cannot be changed is told.

    Whoever finds everything as it should be has changed nothing.

    Raises:
        NatsError: the server does not answer.
    """
    declared = Declared()
    streams = [stream_config(stream, replicas, in_all) for stream in STREAMS]
    for config in [*streams, *(bucket_config(bucket, replicas, in_all) for bucket in BUCKETS)]:
        await _declare_stream(client, config, declared)
    await _remove_strangers(client, declared)
    for durable in DURABLES:
        await _declare_consumer(client, durable, declared)
    return declared


async def _declare_stream(client: Client, wanted: StreamConfig, declared: Declared) -> None:
    js, name = client.jetstream(), str(wanted.name)
    info = await _info(client, f"STREAM.INFO.{name}")
    found = None if info is None else info["config"]
    wrong = [] if found is None else differences(name, wanted.as_dict(), found)
    if info is not None:
        declared.bytes[name] = (info["state"]["bytes"], int(wanted.max_bytes or 0))
    try:
        if found is None:
            await js.add_stream(wanted)
            declared.mended.append(f"{name} is missing")
        elif wrong:
            await js.update_stream(wanted)
            declared.mended += wrong
    except APIError as error:
        declared.failed(name, wrong, error)


async def _remove_strangers(client: Client, declared: Declared) -> None:
    """Remove consumers of work queues that nobody declared: they take orders from who works."""
    js, known = client.jetstream(), {durable.name for durable in DURABLES}
    for stream in STREAMS:
        if stream.retention != "workqueue":
            continue
        try:
            for info in await js.consumers_info(stream.name):
                if info.name not in known:
                    await js.delete_consumer(stream.name, info.name)
                    declared.mended.append(f"{info.name} is no consumer of {stream.name}")
        except APIError as error:
            declared.failed(stream.name, [f"the consumers of {stream.name} are unknown"], error)


async def _declare_consumer(client: Client, durable: Durable, declared: Declared) -> None:
    """A consumer of another kind is made anew: what it had handled is in the inboxes."""
    js, name = client.jetstream(), durable.name
    place = f"{durable.stream}.{name}"
    wanted = consumer_config(durable)
    wrong: list[str] = []
    try:
        found = await _config(client, f"CONSUMER.INFO.{place}")
        if found is None:
            await js.add_consumer(durable.stream, wanted)
            declared.mended.append(f"{name} is missing")
            return
        wrong = differences(name, wanted.as_dict(), found)
        if not wrong:
            return
        if found.get("pause_until"):  # It outlives a change of everything else.
            await client.request(f"$JS.API.CONSUMER.PAUSE.{place}", b"{}", timeout=ANSWER_S)
        try:
            await js.add_consumer(durable.stream, wanted)
        except (BadRequestError, ServerError):
            await js.delete_consumer(durable.stream, name)
            await js.add_consumer(durable.stream, wanted)
        declared.mended += wrong
    except APIError as error:
        declared.failed(name, wrong, error)


async def _config(client: Client, what: str) -> dict[str, Any] | None:
    """The settings of a stream or consumer as the server has them; None when there is none."""
    info = await _info(client, what)
    return None if info is None else info["config"]


async def _info(client: Client, what: str) -> dict[str, Any] | None:
    """What the server says of a stream or consumer; None when there is none.

    Read as JSON, since nats-py leaves out settings that it does not know.

    Raises:
        NatsError: the server does not answer, or refuses.
    """
    said = json.loads((await client.request(f"$JS.API.{what}", b"", timeout=ANSWER_S)).data)
    if "error" in said:
        if said["error"].get("code") == HTTPStatus.NOT_FOUND:
            return None
        raise APIError.from_error(said["error"])
    info: dict[str, Any] = said
    return info


async def verify(client: Client, context: str) -> None:
    """Check that what `context` consumes is declared as the page says.

    Raises:
        Drift: something is missing or different; run the topology step of this release.
    """
    wrong: list[str] = []
    for durable in DURABLES:
        if durable.context == context:
            found = await _config(client, f"CONSUMER.INFO.{durable.stream}.{durable.name}")
            wrong += (
                [f"{durable.name} is missing"]
                if found is None
                else differences(durable.name, consumer_config(durable).as_dict(), found)
            )
    if wrong:
        raise Drift("Run `python -m chassis.topology` of this release: " + "; ".join(wrong))


class Settings(BusSettings):
    """What the topology step reads beside the bus's settings.

    Attributes:
        stream_replicas: servers of a NATS cluster that keep each message; 1 without a cluster.
        stream_bytes: what all streams and buckets together may take on the disk of a server.
    """

    stream_replicas: int = Field(default=1, ge=1, le=5)
    stream_bytes: int = Field(default=STREAM_BYTES, ge=64 * 1024**2)


async def main() -> int:
    """Declare everything on the server at NATS_URL."""
    settings = Settings()
    options = {**servers(settings.nats_url).options(), "inbox_prefix": inbox(ADMIN)}
    client = await nats.connect(**options, connect_timeout=5, max_reconnect_attempts=20)
    try:
        async with asyncio.timeout(PATIENCE_S):
            wanted = {"replicas": settings.stream_replicas, "in_all": settings.stream_bytes}
            declared = await patiently(partial(declare, client, **wanted))
    except TimeoutError:
        sys.stderr.write(f"the streams did not answer for {PATIENCE_S:g} s\n")
        return 1
    finally:
        await close(client)
    if wrong := [*declared.missing, *declared.different]:
        sys.stderr.write("".join(f"{what}\n" for what in wrong))
        return 1
    sys.stdout.write(
        f"declared {len(STREAMS)} streams, {len(BUCKETS)} buckets and {len(DURABLES)} consumers\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
