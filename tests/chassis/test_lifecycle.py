"""A service as a process: how it starts, what it says of itself, how it stops or gives up."""

import asyncio
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from faststream._internal.endpoint.subscriber.mixins import TasksMixin

from chassis import topology
from chassis.bus.calls import Bus
from chassis.bus.envelopes import new_id, origin
from chassis.process import run
from contracts.base import Ping, ping_call
from contracts.errors import TooSlow, Unavailable
from contracts.payment import GET_TASK_ACCOUNT, GetTaskAccount
from contracts.topology import PAYMENT_STEP_COMPLETED
from contracts.users import ADMIN
from deploy.local.embedded import embedded_nats_server
from deploy.local.ports import free_port
from payment_svc.app import build
from payment_svc.settings import Settings
from tests.chassis.living import (
    bus_of,
    captured,
    complete,
    environment,
    payment,
    place,
    status,
    works,
)
from tests.payment.conftest import payment_settings
from tests.support.polling import eventually
from tests.support.processes import process
from tests.support.stack import Stack, connected, declare, running
from tests.support.streams import jetstream, stored


async def test_the_probes_and_the_log_of_a_life(killable: Stack) -> None:
    task, step = new_id(), new_id()
    async with payment(killable) as service, bus_of(killable) as bus:
        health, ready = await service.get("/health"), await service.get("/ready")
        assert health is not None
        assert ready is not None
        assert health.json().keys() >= {"service", "version", "status"}
        assert ready.json() == {"service": "payment", "ready": True, "wrong": []}
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(b"no request\r\n\r\n")  # Its connections are bounded as the gateway's are.
        assert b"application/json" in await asyncio.wait_for(reader.read(), 20)
        writer.close()
        await place(bus, task, step)
        await complete(killable, task, step)
        await captured(killable, step)
        await complete(killable, task, new_id())  # Has no hold: something to log.
        await service.says("dead letter")
        service.terminate()
        assert await service.ends() == 0
    lines = service.lines()
    assert {line["service"] for line in lines} == {"payment_svc"}
    assert all(line.keys() >= {"event", "level", "timestamp"} for line in lines)
    events = [line["event"] for line in lines]
    assert events.index("service started") < events.index("service stopped")
    [letter] = [line for line in lines if line["event"] == "dead letter"]
    assert letter["account"] == "demo"
    assert letter["correlation_id"]
    assert letter["subject"] == f"bazaar.evt.step.completed.{task}"
    assert "secret-payment" not in service.text()
    async with connected(killable.admin_url) as root:

        async def gone() -> bool:
            query = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'bazaar_payment'"
            return not await root.fetchval(query)

        await eventually(gone)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://bazaar_payment:wrong-secret@{place}", "password authentication failed"),
        ("postgresql://bazaar_payment:wrong-secret@127.0.0.1:9/x", "database cannot be reached"),
    ],
)
async def test_a_database_that_is_not_there_at_the_start_is_told_without_its_password(
    killable: Stack, url: str, said: str
) -> None:
    place = killable.admin_url.rpartition("@")[2]
    env = environment(killable, DATABASE_URL=url.format(place=place), LOG_LEVEL="DEBUG")
    async with process("payment_svc", **env) as service:
        assert await service.ends() == 1
    assert said in service.text()
    assert "wrong-secret" not in service.text()


async def test_a_stop_lets_the_work_in_hand_finish(killable: Stack) -> None:
    task, steps = new_id(), [new_id(), new_id()]
    async with payment(killable) as service, bus_of(killable) as bus:
        await place(bus, task, steps[0])
        async with connected(killable.database_url("payment")) as conn, conn.transaction():
            await conn.execute("SELECT FROM ledger_accounts WHERE id = 'wallet:demo' FOR UPDATE")
            await complete(killable, task, steps[0])
            placing = asyncio.create_task(place(bus, task, steps[1]))

            async def both_wait() -> bool:
                query = (
                    "SELECT count(*) = 2 FROM pg_stat_activity"
                    " WHERE wait_event_type = 'Lock' AND usename = 'bazaar_payment'"
                )
                async with connected(killable.admin_url) as root:
                    return bool(await root.fetchval(query))

            await eventually(both_wait)
            service.terminate()

            async def takes_no_more() -> bool:
                try:
                    await bus.ask(
                        GET_TASK_ACCOUNT,
                        GetTaskAccount(task_id=task),
                        origin("test", "test"),
                        timeout_ms=500,
                    )
                except Unavailable:
                    return True
                except TooSlow:  # As a busy machine may be.
                    return False
                return False

            await eventually(takes_no_more)
            assert service.popen.poll() is None
        await placing  # Was answered, by a service that had been told to stop.
        assert await service.ends() == 0
    assert await status(killable, steps[0]) == "captured"
    assert await status(killable, steps[1]) == "held"
    # What it had to tell is told before it ends.
    async with jetstream(killable.nats_url) as js:
        found = await stored(js, "EVENTS", f"bazaar.evt.*.*.{task}")
    types = sorted(event.type for event in found if event.headers["ce-source"] == "payment")
    assert types == ["hold.placed", "hold.placed", "payment.recorded"]


async def test_a_drifted_topology_is_refused_with_a_clear_word(killable: Stack) -> None:
    drifted = topology.consumer_config(PAYMENT_STEP_COMPLETED)
    drifted.ack_wait = 3
    async with jetstream(killable.nats_url) as js:
        await js.add_consumer("EVENTS", drifted)
        async with process("payment_svc", **environment(killable)) as service:
            assert await service.ends() == 1
        said = "payment-step-completed.ack_wait is 3.0, not 15"
        [line] = [line for line in service.lines() if said in line.get("error", "")]
        assert "Run `python -m chassis.topology` of this release" in line["error"]
    await declare(killable.nats_url)


async def test_drift_while_it_runs_is_told(killable: Stack) -> None:
    """Messages would stay away without an error anywhere."""
    service = build(payment_settings(killable))
    async with running(service), jetstream(killable.nats_url) as js:
        await service.health.look_for_drift()
        assert await service.health.wrong() == []
        await js.delete_consumer("EVENTS", PAYMENT_STEP_COMPLETED.name)
        try:
            await service.health.look_for_drift()
        finally:
            await declare(killable.nats_url)
        [wrong] = await service.health.wrong()
        assert "payment-step-completed is missing" in wrong
        cause = origin("admin", "payment.ping")
        with pytest.raises(Unavailable, match="Messages may not reach the payment service"):
            await Bus(service.broker, ADMIN).ask(ping_call("payment"), Ping(), cause)
        await service.health.look_for_drift()
        assert await service.health.wrong() == []


async def test_a_service_that_waits_for_nats_can_be_stopped(killable: Stack) -> None:
    env = environment(killable, NATS_URL=f"nats://127.0.0.1:{free_port()}")
    async with process("payment_svc", **env) as service:
        await service.says("connecting to NATS")
        service.terminate()
        await service.ends()


async def test_a_nats_that_never_comes_ends_the_process(killable: Stack) -> None:
    env = environment(killable, NATS_URL=f"nats://127.0.0.1:{free_port()}", NATS_LOST_AFTER_S="0.5")
    async with process("payment_svc", **env) as service:
        assert await service.ends() != 0
    assert "no connection to NATS" in service.text()
    assert "NATS_URL" in service.text()


@pytest.mark.parametrize(
    ("name", "value"),
    [("WALLET_ACCOUNT", "a b"), ("WALLET_GRANT", "-1"), ("DATABASE_URL", "nonsense")],
)
def test_a_setting_that_cannot_be_is_named_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        run(build, Settings)
    said = str(ended.value.code)
    assert name in said
    assert "\n" not in said
    assert value not in said


async def test_a_nats_that_comes_late_and_goes_for_a_while_is_waited_for(killable: Stack) -> None:
    await killable.nats.kill()
    try:
        async with process("payment_svc", **environment(killable)) as service:
            await service.says("connecting to NATS")
            await killable.nats.start()
            await eventually(service.is_ready)
            await works(killable)
            await killable.nats.kill()

            async def noticed() -> bool:
                ready = await service.get("/ready")
                return ready is not None and "not connected to NATS" in ready.json()["wrong"]

            await eventually(noticed)
            await killable.nats.start()
            await works(killable)
            await eventually(service.is_ready)
    finally:
        await killable.nats.restart()


async def test_a_nats_that_is_gone_for_good_ends_the_process(killable: Stack) -> None:
    async with payment(killable, NATS_LOST_AFTER_S="0.5") as service:
        await killable.nats.kill()
        try:
            assert await service.ends() != 0
        finally:
            await killable.nats.start()
    assert "no connection to NATS for good" in service.text()


async def test_a_stop_while_nats_is_away_is_an_end_in_good_order(
    killable: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be told now is in the outbox; giving up is for who is to go on."""
    exits: list[int] = []
    monkeypatch.setattr("os._exit", exits.append)
    service = build(payment_settings(killable, nats_lost_after_s=1))

    async def last_work() -> None:
        """Takes until the time to give up has passed."""
        loop, passed = asyncio.get_running_loop(), asyncio.Event()
        loop.call_later(service.settings.nats_lost_after_s, passed.set)
        await passed.wait()

    service.at_end(last_work)
    await service.start()
    client = await service.broker.connect()
    await killable.nats.kill()
    try:
        await eventually(lambda: _so(not client.is_connected))
        await service.stop()
    finally:
        await killable.nats.start()
    assert exits == []


async def test_a_stop_goes_on_where_its_time_to_take_leave_was_over(stack: Stack) -> None:
    """Some of what it listens to was left already: what comes after is done all the same."""
    service = build(payment_settings(stack))
    last: list[str] = []

    async def last_work() -> None:
        last.append("done")

    service.at_end(last_work)
    await service.start()
    client = await service.broker.connect()
    every: list[Any] = list(service.broker.subscribers)
    heard = next(one for one in every if one.subject.template.endswith("ping"))
    await heard.subscription.drain()
    await service.stop()
    assert last == ["done"]
    assert client.is_closed


async def test_a_start_that_failed_ends_nothing_later(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever starts services beside others would be ended with them."""
    exits: list[int] = []
    monkeypatch.setattr("os._exit", exits.append)
    async with embedded_nats_server(tmp_path) as empty:
        service = build(payment_settings(stack, nats_url=empty.url, nats_lost_after_s=2))
        with pytest.raises(topology.Drift):
            await service.start()
        loop, passed = asyncio.get_running_loop(), asyncio.Event()
        loop.call_later(service.settings.nats_lost_after_s, passed.set)
        await passed.wait()
        await service.stop()
    assert exits == []


async def test_a_consumer_that_failed_and_began_again_is_told_as_alive(killable: Stack) -> None:
    service = build(payment_settings(killable))
    async with running(service):
        consumer = next(
            one for one in service.broker.subscribers if isinstance(one, TasksMixin) and one.tasks
        )
        begun = len(consumer.tasks)
        failed = asyncio.Event()

        async def fail_once() -> None:
            if not failed.is_set():
                failed.set()
                raise RuntimeError("a defect of the library")
            await asyncio.Event().wait()

        # As the supervisor of a consumer's own tasks does it: the failed one stays in the list.
        consumer.add_task(fail_once)
        await failed.wait()
        await eventually(lambda: _so(len(consumer.tasks) == begun + 2))
        assert await service.health.wrong() == []
        for task in consumer.tasks:
            task.cancel()
        await asyncio.wait(consumer.tasks)
        [wrong] = await service.health.wrong()
        assert re.fullmatch(r"consumer .+ has stopped", wrong)


async def _so(it: bool) -> bool:
    return it


async def test_a_database_that_goes_makes_it_unready_and_not_unwell(killable: Stack) -> None:
    async with payment(killable) as service:
        await killable.postgres.kill()
        try:

            async def unready() -> bool:
                ready = await service.get("/ready")
                assert ready is not None
                return ready.status_code == 503

            await eventually(unready)
            health = await service.get("/health")
            assert health is not None
            assert health.is_success
        finally:
            await killable.postgres.start()
        await eventually(service.is_ready)
        await works(killable)


async def test_a_port_in_use_is_named(killable: Stack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with process("payment_svc", **environment(killable, HEALTH_PORT=port)) as service:
            assert await service.ends() == 1
    assert str(port) in service.text()
