"""No line of a log holds what a caller sent, whatever went wrong with it."""

import json

import nats
import pytest

from chassis.observability.terminal import plain
from tests.chassis.noisy import WAYS
from tests.chassis.probe import ASK
from tests.support.polling import eventually
from tests.support.processes import process
from tests.support.stack import Stack

MARK = "xq7-of-a-caller"
BODIES: list[bytes] = [
    *(json.dumps({"text": MARK, "data": {"way": way}}).encode() for way in WAYS),
    MARK.encode(),
    f'{{"text": "{MARK}'.encode(),
    json.dumps({"text": 5, "limit": MARK, MARK: MARK, "nested": {MARK: MARK}}).encode(),
    json.dumps({"text": [MARK], "amount": MARK, "data": MARK}).encode(),
    json.dumps({"text": f"{MARK}\x00", "data": {"way": "duplicate"}}).encode(),
]
TOLD = [
    *(
        "request failed",
        "ValueError",
        "RuntimeError",
        "ExceptionGroup",
        "noisy.py",
        "limit: int_parsing",
    ),
    *("23505", "constraint=inbox_pkey", "23502", "column=task_id", "22001", "22P02", "42703"),
    *("never retrieved", "Exception in callback", "a thread has ended", "UserWarning"),
    *("steering", "could not be raised", "it failed: ValueError", "debugging is on"),
]
"""What is told of it all the same."""


@pytest.mark.parametrize("format_", ["json", "text"])
async def test_nothing_that_was_sent_is_logged(probe_stack: Stack, format_: str) -> None:
    env = {
        "NATS_URL": probe_stack.nats_url,
        "DATABASE_URL": probe_stack.database_url("probe"),
        "LOG_LEVEL": "DEBUG",
        "LOG_FORMAT": format_,
    }
    async with process("tests.chassis.noisy", **env) as service:
        await eventually(service.is_ready)
        client = await nats.connect(probe_stack.nats_url)
        for body in BODIES:
            for headers in ({}, {"content-type": "text/plain"}):
                await client.request(ASK.subject, body, timeout=20, headers=headers)
        await client.close()
        await service.says("background job failed")
        service.terminate()
        assert await service.ends() == 0
    said = service.text()
    assert MARK not in said
    assert plain(said) == said
    assert not [line for line in said.splitlines() if line.startswith("forged")]
    missing = [told for told in TOLD if told not in said]
    assert missing == []


async def test_a_bus_that_is_not_there_is_told_without_its_password() -> None:
    env = {
        "NATS_URL": f"nats://nobody:{MARK}@127.0.0.1:1",
        "DATABASE_URL": f"postgresql://bazaar_probe:{MARK}@127.0.0.1:1/x",
        "NATS_LOST_AFTER_S": 0.2,
        "LOG_LEVEL": "DEBUG",
    }
    async with process("tests.chassis.noisy", **env) as service:
        assert await service.ends() == 1
    assert MARK not in service.text()
