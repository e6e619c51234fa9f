"""Messages exist exactly when the transaction that published them was committed."""

import asyncio
import json
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from nats.js import JetStreamContext
from sqlalchemy.exc import IntegrityError

from chassis.bus.calls import MAX_MESSAGE_BYTES
from chassis.bus.envelopes import new_id, origin
from chassis.db import transaction
from chassis.outbox import publishing, relay
from chassis.outbox.outgoing import Outgoing, read_row
from chassis.service import Service
from contracts import envelope
from contracts.errors import Invalid
from tests.chassis import probe
from tests.chassis.probe import Happened, Order
from tests.support.polling import eventually
from tests.support.stack import Stack, connected, running
from tests.support.streams import Stored, jetstream, stored


async def happened(js: JetStreamContext, task: str) -> list[Stored]:
    return await stored(js, "EVENTS", f"bazaar.evt.probe.happened.{task}")


async def arrived(js: JetStreamContext, task: str, count: int) -> list[Stored]:
    """The events of a task once there are so many."""

    async def enough() -> list[Stored]:
        found = await happened(js, task)
        return found if len(found) >= count else []

    return await eventually(enough)


async def test_what_is_rolled_back_is_never_published(
    service: Service, js: JetStreamContext, sql: "asyncpg.Pool[Any]"
) -> None:
    task, afterwards = new_id(), []

    async def lose() -> None:
        async with service.database.transaction() as tx:
            await probe.note(tx.conn, task, "lost")
            tx.publish(Happened(task_id=task, what="lost"))
            tx.then(lambda: afterwards.append("lost"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await lose()
    async with service.database.transaction() as tx:
        await probe.note(tx.conn, task, "kept")
        tx.publish(Happened(task_id=task, what="kept"))
        tx.then(lambda: afterwards.append("kept"))
    found = await arrived(js, task, 1)
    assert [event.body["what"] for event in found] == ["kept"]
    assert afterwards == ["kept"]
    assert await sql.fetchval("SELECT what FROM effects WHERE task_id = $1", task) == "kept"


async def test_a_transaction_that_cannot_commit_publishes_nothing(
    probe_stack: Stack, service: Service, js: JetStreamContext
) -> None:
    """The outbox row is written before the commit; a commit that fails takes it along."""
    task = new_id()
    async with connected(probe_stack.owner_url("probe")) as owner:
        await owner.execute("CREATE TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        await owner.execute("GRANT INSERT ON late TO bazaar_probe")

    async def lose() -> None:
        async with service.database.transaction() as tx:
            await tx.conn.exec_driver_sql("INSERT INTO late VALUES (1), (1)")
            tx.publish(Happened(task_id=task, what="lost"))

    with pytest.raises(IntegrityError, match="late_id_key"):
        await lose()
    async with connected(probe_stack.owner_url("probe")) as owner:
        await owner.execute("DROP TABLE late")
    async with service.database.transaction() as tx:
        tx.publish(Happened(task_id=task, what="kept"))
    assert [event.body["what"] for event in await arrived(js, task, 1)] == ["kept"]


async def test_a_message_reads_well_and_says_what_it_is(
    service: Service, js: JetStreamContext
) -> None:
    task, cause = new_id(), origin("gateway", "invoke", "ann")
    before = datetime.now(UTC) - timedelta(seconds=1)
    async with service.database.transaction(cause) as tx:
        tx.publish(Happened(task_id=task, what="¿Qué pasó? 漢字 \U0001f642", number=7))
    [event] = await arrived(js, task, 1)

    assert event.subject == f"bazaar.evt.probe.happened.{task}"
    assert "¿Qué pasó? 漢字 \U0001f642" in event.text  # As the NATS CLI shows it.
    assert event.body == {"taskId": task, "what": "¿Qué pasó? 漢字 \U0001f642", "number": 7}
    headers = event.headers
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-id"] == headers["Nats-Msg-Id"]
    assert headers["ce-id"] not in (cause.id, "")
    assert headers["ce-type"] == "probe.happened.v1"
    assert headers["ce-source"] == "probe"
    assert headers["ce-subject"] == task
    assert headers["ce-account"] == "ann"
    assert headers["ce-correlationid"] == cause.correlation_id
    assert headers["ce-causationid"] == cause.id
    assert headers["traceparent"] == cause.traceparent
    assert headers["content-type"] == "application/json"
    assert before < datetime.fromisoformat(headers["ce-time"]) < datetime.now(UTC)


async def test_a_message_without_a_cause_is_its_own_origin(
    service: Service, js: JetStreamContext
) -> None:
    task = new_id()
    async with service.database.transaction() as tx:
        tx.publish(Happened(task_id=task), account="bob")
    [event] = await arrived(js, task, 1)
    assert event.headers["ce-account"] == "bob"
    assert event.headers["ce-correlationid"]
    assert event.headers["traceparent"].startswith("00-")


async def test_a_command_goes_to_the_work_queue(service: Service, js: JetStreamContext) -> None:
    task = new_id()
    async with service.database.transaction() as tx:
        tx.publish(Order(task_id=task))
    subject = f"bazaar.cmd.probe.do.{task}"
    [order] = await eventually(lambda: stored(js, "COMMANDS", subject))
    assert order.body == {"taskId": task}
    await js.purge_stream("COMMANDS", subject=subject)


async def test_messages_keep_their_order_and_come_once_from_two_relays(
    probe_stack: Stack, js: JetStreamContext
) -> None:
    tasks = [new_id() for _ in range(20)]
    one, other = probe.build(probe_stack), probe.build(probe_stack)
    async with running(one, other):

        async def publish(service: Service, task: str) -> None:
            async with service.database.transaction() as tx:
                for number in range(15):
                    tx.publish(Happened(task_id=task, number=number))

        await asyncio.gather(*(publish((one, other)[n % 2], task) for n, task in enumerate(tasks)))
        for task in tasks:
            numbers = [event.body["number"] for event in await arrived(js, task, 15)]
            assert numbers == list(range(15))


async def test_the_relay_keeps_no_connection_that_hears_nothing(
    probe_stack: Stack, sql: "asyncpg.Pool[Any]"
) -> None:
    async def asked() -> list[str]:
        found = await sql.fetch(
            "SELECT query FROM pg_stat_activity WHERE datname = current_database()"
        )
        return [row["query"] for row in found]

    async def at_work() -> list[str]:
        """It has looked for rows: whatever it listens with is there by then."""
        found = await asked()
        return found if any("SKIP LOCKED" in one and "outbox" in one for one in found) else []

    async with running(probe.build(probe_stack)):
        assert [one for one in await eventually(at_work) if one.startswith("LISTEN")] == []


async def on_the_bus(stack: Stack) -> Service:
    """A service that was not started, so that its relay does not run, with the bus all the same."""
    service = probe.build(stack)
    service._client = await service.broker.connect()
    return service


async def test_what_left_from_memory_leaves_nothing_for_the_relay(
    probe_stack: Stack, js: JetStreamContext, sql: "asyncpg.Pool[Any]"
) -> None:
    task, service = new_id(), await on_the_bus(probe_stack)
    async with service.database.transaction() as tx:
        tx.publish(Happened(task_id=task, number=1), Happened(task_id=task, number=2))

    async def cleared() -> bool:
        return not await sql.fetchval("SELECT count(*) FROM probe_outbox")

    await eventually(cleared)
    assert [event.body["number"] for event in await happened(js, task)] == [1, 2]
    await service.stop()


async def test_a_row_stays_until_its_message_is_safe_on_the_disk(
    probe_stack: Stack,
    js: JetStreamContext,
    sql: "asyncpg.Pool[Any]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server confirms before that: a power cut would take the message and leave no row."""
    monkeypatch.setattr(relay, "SYNCED_S", 3600.0)
    task, service = new_id(), await on_the_bus(probe_stack)
    query = (
        "SELECT count(*) FROM probe_outbox WHERE position(convert_to($1, 'UTF8') in payload) > 0"
    )
    async with service.database.transaction() as tx:
        tx.publish(Happened(task_id=task))
    await arrived(js, task, 1)
    clearing = service.departures._clearing
    assert clearing is not None
    await asyncio.wait({clearing}, timeout=3 * relay.CLEAR_EVERY_S)
    assert await sql.fetchval(query, task) == 1
    await service.stop()
    assert await sql.fetchval(query, task) == 0


async def test_a_service_that_is_not_started_opens_no_connection_for_what_it_tells(
    probe_stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would close it: it would look for the bus for ever."""
    service, opened = probe.build(probe_stack), list[bool]()
    monkeypatch.setattr(service.broker, "connect", lambda: opened.append(True))
    async with service.database.transaction(origin("test", "test", "demo")) as tx:
        tx.publish(Happened(task_id=new_id()))
    await asyncio.wait({*service.departures._leaving, *service.changes._telling})
    assert not opened
    await service.database.engine.dispose()


async def test_what_a_process_committed_before_it_died_is_published_by_another(
    probe_stack: Stack, js: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, dead = new_id(), probe.build(probe_stack)
    monkeypatch.setattr(dead.departures, "send", lambda *_: None)  # It dies right after.
    async with dead.database.transaction() as tx:
        tx.publish(Happened(task_id=task, number=1), Happened(task_id=task, number=2))
    await dead.database.engine.dispose()
    assert await happened(js, task) == []
    async with running(probe.build(probe_stack)):
        found = await arrived(js, task, 2)
    assert [event.body["number"] for event in found] == [1, 2]


async def test_a_row_is_what_the_relay_of_the_release_before_reads(
    probe_stack: Stack, sql: "asyncpg.Pool[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old and new replicas publish each other's rows."""
    task, service = new_id(), probe.build(probe_stack)
    monkeypatch.setattr(service.departures, "send", lambda *_: None)
    async with service.database.transaction() as tx:
        tx.publish(Happened(task_id=task, what="\x9b漢", number=7))
    found = await sql.fetchrow(
        "DELETE FROM probe_outbox WHERE position(convert_to($1, 'UTF8') in payload) > 0 "
        "RETURNING payload, headers",
        task,
    )
    await service.database.engine.dispose()
    assert found is not None
    assert json.loads(found["headers"]) == {"content-type": "application/json"}
    [entry] = json.loads(found["payload"])
    assert set(entry) == {"subject", "stream", "headers", "data"}
    assert entry["stream"] == "EVENTS"
    assert entry["headers"]["ce-type"] == "probe.happened.v1"
    assert entry["data"] == {"taskId": task, "what": "\x9b漢", "number": 7}
    [again] = read_row([entry])
    assert rb"\u009b" in again.body
    assert json.loads(again.body) == entry["data"]


async def test_a_message_that_is_too_heavy_is_refused_with_all_that_goes_with_it(
    service: Service, js: JetStreamContext, sql: "asyncpg.Pool[Any]"
) -> None:
    task = new_id()

    async def tell_too_much() -> None:
        async with service.database.transaction() as tx:
            await probe.note(tx.conn, task, "lost")
            tx.publish(Happened(task_id=task), Happened(task_id=task, what="x" * MAX_MESSAGE_BYTES))

    with pytest.raises(Invalid, match=r"probe\.happened is too large"):
        await tell_too_much()
    assert not await sql.fetchval("SELECT count(*) FROM effects WHERE task_id = $1", task)
    assert await happened(js, task) == []


async def test_a_heavy_row_of_another_release_does_not_hold_up_the_others(
    service: Service,
    js: JetStreamContext,
    sql: "asyncpg.Pool[Any]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heavy, task = new_id(), new_id()
    with monkeypatch.context() as older:
        older.setattr(transaction, "MAX_MESSAGE_BYTES", 2 * MAX_MESSAGE_BYTES)
        async with service.database.transaction() as tx:
            tx.publish(Happened(task_id=heavy, what="x" * (MAX_MESSAGE_BYTES + 1)))
    async with service.database.transaction() as tx:
        tx.publish(Happened(task_id=task))
    await arrived(js, task, 1)

    # It stays in the outbox, where an operator finds it.
    kept = await sql.fetchval(
        "DELETE FROM probe_outbox WHERE octet_length(payload) > $1 RETURNING 1", MAX_MESSAGE_BYTES
    )
    assert kept
    assert await happened(js, heavy) == []


async def test_messages_committed_while_nats_is_down_leave_once_it_is_back(
    killable: Stack,
) -> None:
    tasks = [new_id() for _ in range(5)]
    service = probe.build(killable)
    async with running(service):
        await killable.nats.kill()
        for task in tasks:
            async with service.database.transaction() as tx:
                tx.publish(Happened(task_id=task, number=1), Happened(task_id=task, number=2))

        await killable.nats.start()
        async with jetstream(killable.nats_url) as js:
            for task in tasks:
                ids = [event.headers[envelope.ID] for event in await arrived(js, task, 2)]
                assert len(ids) == len(set(ids)) == 2

            async def empty() -> bool:
                async with connected(killable.database_url("probe")) as conn:
                    return not await conn.fetchval("SELECT count(*) FROM probe_outbox")

            await eventually(empty)
            for task in tasks:  # Nothing came twice, although much was tried twice.
                assert len(await happened(js, task)) == 2


async def test_a_server_that_takes_nothing_is_not_waited_for_without_end(
    killable: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client swallows a cancellation while it flushes, and so a time-out."""
    monkeypatch.setattr(publishing, "PUBLISH_TIMEOUT_S", 0.5)
    service, server = probe.build(killable), killable.nats.child
    assert server is not None
    async with running(service):
        client = await service.bus.client()
        row = [
            Outgoing("bazaar.evt.probe.happened.much", "EVENTS", {}, b" " * MAX_MESSAGE_BYTES)
            for _ in range(5)
        ]
        server.popen.send_signal(signal.SIGSTOP)
        try:
            publish = service.departures.publisher.publish(client, row)
            sending = asyncio.create_task(publish)
            await asyncio.wait({sending}, timeout=20)
            ended = sending.done()
        finally:
            server.popen.send_signal(signal.SIGCONT)
        with pytest.raises(TimeoutError):
            await sending
    assert ended


async def test_the_relay_goes_on_after_a_crash_of_the_database(killable: Stack) -> None:
    task, service = new_id(), probe.build(killable)
    async with running(service):
        await killable.postgres.kill()
        await killable.postgres.start()
        async with service.database.transaction() as tx:
            tx.publish(Happened(task_id=task))
        async with jetstream(killable.nats_url) as js:
            assert len(await arrived(js, task, 1)) == 1
