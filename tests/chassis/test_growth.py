"""What grows has a bound, and what is at its bound says so and goes on by itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import nats
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import APIError
from sqlalchemy.exc import DBAPIError

from chassis import topology
from chassis.bus.envelopes import new_id
from chassis.bus.intake import BELIEVED_S, Intake
from chassis.db.away import is_away, takes_nothing, why_away
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from contracts.errors import Unavailable
from contracts.topology import BUCKETS, COMMANDS, EVENTS, STREAMS
from deploy.local.embedded import embedded_nats_server
from tests.chassis import probe
from tests.chassis.calling import answering, ask
from tests.chassis.probe import Answer, Happened, Order, Question
from tests.support.polling import eventually
from tests.support.stack import Stack, connected
from tests.support.streams import stored

SMALL = 64 * 1024**2
"""Of all streams together, so that their bounds are soon reached."""
MEGABYTE = b"x" * 1024**2


@pytest.fixture
async def small(tmp_path: Path, probe_stack: Stack) -> AsyncIterator[tuple[Stack, Client]]:
    """The shared database beside a bus whose streams are small."""
    async with embedded_nats_server(tmp_path) as bus:
        client = await nats.connect(bus.url)
        await topology.declare(client, in_all=SMALL)
        yield Stack(probe_stack.postgres, bus), client
        await client.close()


async def taken(js: JetStreamContext, subject: str, piece: bytes) -> bool:
    """Whether the stream takes one more."""
    try:
        await js.publish(subject, piece)
    except APIError as error:
        if "maximum bytes" not in str(error):
            raise
        return False
    return True


async def fill(js: JetStreamContext, subject: str) -> None:
    """Publish until the stream takes no more."""
    for piece in (MEGABYTE, MEGABYTE[:4096], b""):
        while await taken(js, subject, piece):
            pass


def test_the_shares_are_of_a_whole() -> None:
    assert 90 <= sum(one.percent for one in (*STREAMS, *BUCKETS)) <= 100


async def test_events_at_their_bound_give_way_to_newer_ones(small: tuple[Stack, Client]) -> None:
    _, client = small
    js = client.jetstream()
    for number in range(60):
        await js.publish(f"bazaar.evt.probe.happened.{number}", MEGABYTE)
    state = (await js.stream_info(EVENTS.name)).state
    assert state.bytes <= SMALL * EVENTS.percent // 100
    assert (state.first_seq > 1, state.last_seq) == (True, 60)


async def test_where_orders_find_no_room_nothing_is_begun(small: tuple[Stack, Client]) -> None:
    stack, client = small
    js = client.jetstream()

    async def begin(request: Question, tx: Transaction) -> Answer:
        await probe.note(tx.conn, request.text, "begun")
        tx.publish(Order(task_id=request.text))
        return Answer(text="begun")

    async def only_look(request: Question, tx: Transaction) -> Answer:
        return Answer(text="seen") if request.amount else await begin(request, tx)

    async with answering(stack, only_look) as service:
        await fill(js, "bazaar.cmd.probe.fill.x")
        first, second, third = new_id(), new_id(), new_id()
        assert await ask(service.bus, Question(text=first)) == "begun"  # Nobody knew yet.

        async def known() -> list[str]:
            return service.departures.publisher.intake.full

        assert await eventually(known) == [COMMANDS.name]
        with pytest.raises(Unavailable, match="no room"):
            await ask(service.bus, Question(text=second))
        assert await ask(service.bus, Question(text=second, amount="1")) == "seen"
        assert await service.health.wrong() == [f"stream {COMMANDS.name} takes no messages"]

        await js.purge_stream(COMMANDS.name, subject="bazaar.cmd.probe.fill.x")

        async def room() -> bool:
            return not service.departures.publisher.intake.full

        await eventually(room)
        assert await ask(service.bus, Question(text=third)) == "begun"
        assert await service.health.wrong() == []

        async def left() -> bool:
            orders = await stored(js, COMMANDS.name, "bazaar.cmd.probe.do.*")
            return [one.subject.rpartition(".")[2] for one in orders] == [first, third]

        await eventually(left)
    async with connected(stack.database_url("probe")) as conn:
        asked = [first, second, third]
        kept = await conn.fetch("SELECT task_id FROM effects WHERE task_id = ANY($1)", asked)
    assert {row["task_id"] for row in kept} == {first, third}


def test_a_refusal_is_believed_for_a_while() -> None:
    now = 100.0
    intake = Intake(clock=lambda: now)
    intake.refused("EVENTS", TimeoutError())
    intake.check(["COMMANDS"])
    with pytest.raises(Unavailable):
        intake.check(["COMMANDS", "EVENTS"])
    now += BELIEVED_S
    intake.check(["EVENTS"])
    intake.refused("EVENTS", TimeoutError())
    intake.took("EVENTS")
    intake.check(["EVENTS"])


async def test_a_database_that_can_only_be_read_is_away(probe_stack: Stack) -> None:
    """As a managed one is whose disk is full, or one that is no primary any more."""
    db = Database(probe_stack.database_url("probe"), probe.metadata, pool=1, relay_workers=1)

    async def note(task: str) -> None:
        async with db.transaction() as tx:
            await probe.note(tx.conn, task, "done")
            tx.publish(Happened(task_id=task))

    only_reads = "ALTER ROLE bazaar_probe SET default_transaction_read_only = on"
    lost, kept = new_id(), new_id()
    async with connected(probe_stack.admin_url) as root:
        await root.execute(only_reads)
        try:
            for again in range(2):
                with pytest.raises(Exception, match="read-only") as told:
                    await (db.ping() if again else note(lost))
                assert is_away(told.value)
                assert takes_nothing(told.value)
                assert why_away(told.value) == "can only be read"
        finally:
            await root.execute("ALTER ROLE bazaar_probe RESET default_transaction_read_only")
    await db.ping()  # By another connection: one that was told so stays as it was.
    await note(kept)
    async with connected(probe_stack.database_url("probe")) as conn:
        found = await conn.fetch(
            "SELECT task_id FROM effects WHERE task_id = ANY($1)", [lost, kept]
        )
    assert [row["task_id"] for row in found] == [kept]
    await db.engine.dispose()


async def test_a_request_is_told_that_the_database_takes_nothing(probe_stack: Stack) -> None:
    async def begin(request: Question, tx: Transaction) -> Answer:
        await tx.conn.exec_driver_sql("SET TRANSACTION READ ONLY")
        await probe.note(tx.conn, request.text, "begun")
        return Answer(text="begun")

    async with answering(probe_stack, begin) as service:
        with pytest.raises(Unavailable, match="The database of the probe service can only be read"):
            await ask(service.bus)


def test_a_disk_without_room_is_an_outage() -> None:
    said = asyncpg.exceptions.DiskFullError("could not extend file: No space left on device")
    error = DBAPIError("INSERT", {}, said)
    assert is_away(error)
    assert why_away(error) == "has no room on its disk"
