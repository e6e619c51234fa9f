"""Requests while the database or the bus is away: told soon, and well again by itself."""

import asyncio
import time

import pytest

from chassis.bus.envelopes import new_id, origin
from chassis.db.transaction import Transaction
from contracts.base import ping_call
from contracts.errors import (
    Unavailable,
)
from tests.chassis import probe
from tests.chassis.calling import answering, ask, echo
from tests.chassis.probe import Answer, Question
from tests.support.polling import eventually
from tests.support.stack import Stack, connected


async def test_a_database_that_is_down_is_named_soon_and_found_again(killable: Stack) -> None:
    async def write(request: Question, tx: Transaction) -> Answer:
        await probe.note(tx.conn, request.text, "done")
        return Answer(text="done")

    async with answering(killable, write) as service:
        many = [Question(text=new_id()) for _ in range(10)]
        await asyncio.gather(*(ask(service.bus, question) for question in many))  # Fill the pool.
        await killable.postgres.kill()
        try:
            for _ in range(3):
                begun = time.monotonic()
                with pytest.raises(
                    Unavailable, match=r"^The probe service cannot reach its database.$"
                ):
                    await ask(service.bus)
                assert time.monotonic() - begun < 3
            with pytest.raises(Unavailable, match="cannot reach its database"):
                await service.bus.ask(
                    ping_call("probe"), ping_call("probe").request(), origin("t", "t")
                )
        finally:
            await killable.postgres.start()
        assert [await ask(service.bus, question) for question in many] == ["done"] * 10


async def test_a_restart_of_the_database_between_two_requests_is_not_noticed(
    killable: Stack,
) -> None:
    async def write(request: Question, tx: Transaction) -> Answer:
        await probe.note(tx.conn, request.text, "done")
        return Answer(text="done")

    async with answering(killable, write) as service:
        many = [Question(text=new_id()) for _ in range(10)]
        await asyncio.gather(*(ask(service.bus, question) for question in many))
        await killable.postgres.restart()
        again = await asyncio.gather(*(ask(service.bus, question) for question in many))
    assert again == ["done"] * 10


async def test_a_database_that_goes_in_the_middle_of_a_request_is_named(killable: Stack) -> None:
    async def dawdle(_request: Question, tx: Transaction) -> Answer:
        await tx.conn.exec_driver_sql("SELECT pg_sleep(60)")
        return Answer(text="done")

    async with answering(killable, dawdle) as service:
        asked = asyncio.create_task(ask(service.bus))
        async with connected(killable.admin_url) as root:

            async def at_work() -> bool:
                return bool(
                    await root.fetchval(
                        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
                    )
                )

            await eventually(at_work)
            await root.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE query LIKE 'SELECT pg_sleep%'"
            )
        with pytest.raises(Unavailable, match="cannot reach its database"):
            await asked


@pytest.mark.parametrize(
    ("refusing", "again"),
    [
        (
            "ALTER ROLE bazaar_probe CONNECTION LIMIT 0",
            "ALTER ROLE bazaar_probe CONNECTION LIMIT -1",
        ),
        (
            "ALTER ROLE bazaar_probe PASSWORD 'rotated'",
            "ALTER ROLE bazaar_probe PASSWORD 'secret-probe'",
        ),
    ],
)
async def test_a_database_that_takes_no_connection_is_named(
    killable: Stack, refusing: str, again: str
) -> None:
    async def write(request: Question, tx: Transaction) -> Answer:
        await probe.note(tx.conn, request.text, "done")
        return Answer(text="done")

    async with answering(killable, write) as service, connected(killable.admin_url) as root:
        await root.execute(refusing)
        try:
            await root.fetch(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
                " WHERE usename = 'bazaar_probe'"
            )
            with pytest.raises(Unavailable, match="cannot reach its database"):
                await ask(service.bus)
        finally:
            await root.execute(again)
        assert await ask(service.bus, Question(text=new_id())) == "done"


async def test_nats_that_is_down_is_told_at_once_and_found_again(killable: Stack) -> None:
    async with answering(killable, echo) as service:
        await killable.nats.kill()
        try:

            async def noticed() -> bool:
                return not (await service.bus.client()).is_connected

            await eventually(noticed)
            begun = time.monotonic()
            with pytest.raises(Unavailable, match=r"^The message bus is not reachable.$"):
                await ask(service.bus)
            assert time.monotonic() - begun < 3
            assert "not connected to NATS" in await service.health.wrong()
        finally:
            await killable.nats.start()

        async def back() -> bool:
            try:
                return await ask(service.bus, Question(text="hi")) == "hi for ann"
            except Unavailable:
                return False

        await eventually(back)
        assert await service.health.wrong() == []
