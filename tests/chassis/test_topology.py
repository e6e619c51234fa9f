"""Streams and consumers on the server are as contracts.topology says, and drift is noticed."""

import re
from dataclasses import asdict

import pytest
from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StorageType
from nats.js.errors import KeyWrongLastSequenceError

from chassis import topology
from chassis.topology import Drift
from contracts.topology import (
    BUCKETS,
    DURABLES,
    PAYMENT_STEP_FAILED,
    STREAM_BYTES,
    STREAMS,
    Bucket,
    Durable,
    Stream,
)
from tests.support.stack import CONTEXTS


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
async def test_a_stream_is_as_its_page_says(js: JetStreamContext, stream: Stream) -> None:
    config = (await js.stream_info(stream.name)).config
    assert tuple(config.subjects or ()) == stream.subjects
    assert config.max_age == stream.max_age_s
    assert config.duplicate_window == stream.duplicate_window_s
    assert config.storage == StorageType.FILE
    assert (
        config.retention
        == {
            "limits": RetentionPolicy.LIMITS,
            "workqueue": RetentionPolicy.WORK_QUEUE,
        }[stream.retention]
    )
    assert (config.max_msgs, config.max_msgs_per_subject) == (-1, -1)
    assert config.max_bytes == STREAM_BYTES * stream.percent // 100
    assert config.discard == topology.DISCARD[stream.at_bound]


@pytest.mark.parametrize("bucket", BUCKETS, ids=lambda bucket: bucket.name)
async def test_a_bucket_is_as_its_page_says(js: JetStreamContext, bucket: Bucket) -> None:
    config = (await js.stream_info(bucket.stream)).config
    assert (config.max_age, config.max_msg_size) == (bucket.max_age_s, bucket.max_value_bytes)
    assert config.max_bytes == STREAM_BYTES * bucket.percent // 100
    assert config.discard == topology.DISCARD[bucket.at_bound]
    kept = await js.key_value(bucket.name)
    first = await kept.create("a-test", b"1")
    with pytest.raises(KeyWrongLastSequenceError):
        await kept.create("a-test", b"2")
    with pytest.raises(KeyWrongLastSequenceError):
        await kept.update("a-test", b"2", last=first - 1)
    await kept.update("a-test", b"2", last=first)
    assert (await kept.get("a-test")).value == b"2"
    await kept.delete("a-test")


@pytest.mark.parametrize("durable", DURABLES, ids=lambda durable: durable.name)
async def test_a_consumer_is_as_its_page_says(js: JetStreamContext, durable: Durable) -> None:
    config = (await js.consumer_info(durable.stream, durable.name)).config
    assert config is not None
    assert config.filter_subject == durable.filter
    assert config.ack_wait == durable.ack_wait_s
    assert config.max_ack_pending == durable.concurrency
    assert config.max_deliver == -1  # We count; the server would park a message silently.
    assert config.durable_name == durable.name


def test_names_and_filters_fit_together() -> None:
    names = [durable.name for durable in DURABLES]
    assert len(set(names)) == len(names)
    streams = {stream.name: stream for stream in STREAMS}
    for durable in DURABLES:
        assert durable.name.split("-")[0] in CONTEXTS
        prefixes = [subject.rstrip("*.>") for subject in streams[durable.stream].subjects]
        assert any(durable.filter.startswith(prefix) for prefix in prefixes)
        assert re.fullmatch(r"bazaar\.(evt|cmd)\.[a-z_]+\.[a-z_]+\.\*", durable.filter)
    commands = [durable.filter for durable in DURABLES if durable.stream == "COMMANDS"]
    assert len(set(commands)) == len(commands)  # A work queue gives each message to one.


async def test_declaring_again_changes_nothing(js: JetStreamContext) -> None:
    async def state() -> list[object]:
        streams = [
            asdict((await js.stream_info(name)).config)
            for name in [*(s.name for s in STREAMS), *(b.stream for b in BUCKETS)]
        ]
        consumers = [await js.consumer_info(d.stream, d.name) for d in DURABLES]
        return [*streams, *((c.created, asdict(c.config)) for c in consumers if c.config)]

    before = await state()
    await topology.declare(js._nc)
    await topology.declare(js._nc)
    assert await state() == before


@pytest.mark.parametrize(
    ("name", "drifted"), [("ack_wait", 3.0), ("max_ack_pending", 5), ("max_deliver", 7)]
)
async def test_drift_of_a_consumer_is_noticed_and_mended(
    js: JetStreamContext, name: str, drifted: float
) -> None:
    durable = PAYMENT_STEP_FAILED
    config = topology.consumer_config(durable)
    wanted = getattr(config, name)
    await js.add_consumer(durable.stream, config.evolve(**{name: drifted}))
    try:
        with pytest.raises(Drift) as drift:
            await topology.verify(js._nc, "payment")
        assert f"{durable.name}.{name} is {drifted}, not {wanted}" in str(drift.value)
        assert "python -m chassis.topology" in str(drift.value)
        for other in set(CONTEXTS) - {"payment"}:
            await topology.verify(js._nc, other)  # Only who consumes it is concerned.
    finally:
        await topology.declare(js._nc)
    await topology.verify(js._nc, "payment")


async def test_a_consumer_that_is_missing_is_noticed_and_made(js: JetStreamContext) -> None:
    durable = PAYMENT_STEP_FAILED
    await js.delete_consumer(durable.stream, durable.name)
    try:
        with pytest.raises(Drift, match=f"{durable.name} is missing"):
            await topology.verify(js._nc, "payment")
    finally:
        await topology.declare(js._nc)
    await topology.verify(js._nc, "payment")


async def test_a_stream_that_someone_else_changed_is_mended(js: JetStreamContext) -> None:
    wanted = (await js.stream_info("EVENTS")).config
    await js.update_stream(wanted.evolve(max_age=3600.0, max_msgs=10_000_000))
    await topology.declare(js._nc)
    found = (await js.stream_info("EVENTS")).config
    assert (found.max_age, found.max_msgs) == (wanted.max_age, -1)
