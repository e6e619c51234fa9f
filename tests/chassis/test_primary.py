"""DATABASE_URL may name several servers: the one that takes writes is found among them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from chassis.bus.envelopes import new_id
from chassis.db.away import Away
from chassis.db.database import Database, async_url
from deploy.local.ports import free_port
from tests.chassis import probe
from tests.support.stack import Stack, connected

ONLY_READS = "ALTER ROLE bazaar_probe SET default_transaction_read_only = on"
AS_BEFORE = "ALTER ROLE bazaar_probe RESET default_transaction_read_only"


@asynccontextmanager
async def database(url: str) -> AsyncIterator[Database]:
    found = Database(url, probe.metadata, pool=1, relay_workers=1)
    yield found
    await found.engine.dispose()


async def note(db: Database) -> None:
    async with db.transaction() as tx:
        await probe.note(tx.conn, new_id(), "done")


def behind(url: str, *ports: int) -> str:
    """A URL whose server comes last."""
    here = urlsplit(url)
    hosts = ",".join([*(f"127.0.0.1:{port}" for port in ports), f"{here.hostname}:{here.port}"])
    return url.replace(f"{here.hostname}:{here.port}", hosts)


async def test_a_server_that_is_not_there_is_passed_over(probe_stack: Stack) -> None:
    async with database(behind(probe_stack.database_url("probe"), free_port())) as db:
        await note(db)


async def test_a_server_that_says_nothing_leaves_time_to_the_next(probe_stack: Stack) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    async with database(behind(probe_stack.database_url("probe"), port)) as db:
        await note(db)
    server.close()


async def test_servers_that_only_read_are_as_good_as_away(probe_stack: Stack) -> None:
    url = behind(probe_stack.database_url("probe"), free_port())
    async with connected(probe_stack.admin_url) as root, database(url) as db:
        await root.execute(ONLY_READS)
        try:
            with pytest.raises(Away):
                await note(db)
        finally:
            await root.execute(AS_BEFORE)
        await note(db)  # One of them was promoted.


@pytest.mark.parametrize(
    ("url", "for_driver"),
    [
        (
            "postgresql://me:h%40@a,b:1/x",
            "postgresql+asyncpg://me:h%40@/x?host=a%3A5432&host=b%3A1",
        ),
        (
            "postgresql://a,b/x?ssl=require",
            "postgresql+asyncpg:///x?host=a%3A5432&host=b%3A5432&ssl=require",
        ),
        ("postgresql://me:a,b@c:1/x", "postgresql+asyncpg://me:a%2Cb@c:1/x"),
        ("postgresql://c/x?sslmode=require", "postgresql+asyncpg://c/x?ssl=require"),
    ],
)
def test_several_hosts_are_told_to_the_driver(url: str, for_driver: str) -> None:
    assert async_url(url) == for_driver
