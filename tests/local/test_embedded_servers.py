"""The embedded PostgreSQL and NATS, spoken to with the clients that the services use."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import nats
import pytest

from chassis import topology
from contracts.users import ADMIN
from deploy.local import nats as local_nats
from deploy.local import postgres
from deploy.local.embedded import embedded_nats_server, embedded_postgres_server
from deploy.local.errors import StartError
from deploy.local.home import PASSWORDS, passwords
from tests.local.helpers import processes_of


async def ask_postgres(url: str, query: str) -> object:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_postgres_keeps_its_data_across_a_stop_and_a_second_start(home: Path) -> None:
    async with embedded_postgres_server(home) as server:
        await ask_postgres(server.url, "CREATE TABLE kept AS SELECT 42 AS x")
        assert await ask_postgres(server.url, "SHOW max_connections") == "300"
        assert await ask_postgres(server.url, "SHOW server_encoding") == "UTF8"
    assert not processes_of(home)
    async with embedded_postgres_server(home) as server:
        assert await ask_postgres(server.url, "SELECT x FROM kept") == 42


async def test_postgres_keeps_what_was_committed_when_it_is_killed(home: Path) -> None:
    async with embedded_postgres_server(home) as server:
        await ask_postgres(server.url, "CREATE TABLE kept AS SELECT 42 AS x")
        await server.kill()
        with pytest.raises(OSError, match=r"[Cc]onnect"):
            await ask_postgres(server.url, "SELECT 1")
        await server.restart()
        assert await ask_postgres(server.url, "SELECT x FROM kept") == 42


async def test_postgres_asks_for_its_password(home: Path) -> None:
    async with embedded_postgres_server(home) as server:
        right = passwords(home)["postgres"]
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask_postgres(server.url.replace(right, "wrong"), "SELECT 1")


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is no PostgreSQL and stays alive for the length of a test."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


async def test_a_stale_note_that_names_a_living_stranger_does_not_stop_postgres(
    home: Path, bystander: subprocess.Popen[bytes]
) -> None:
    async with embedded_postgres_server(home) as server:
        await ask_postgres(server.url, "CREATE TABLE kept AS SELECT 42 AS x")
        await server.kill()
        note = home / "postgres" / "postmaster.pid"
        lines = note.read_text().splitlines(keepends=True)
        note.write_text("".join([f"{bystander.pid}\n", *lines[1:]]))

        await server.start()

        assert await ask_postgres(server.url, "SELECT x FROM kept") == 42
        assert bystander.poll() is None


async def test_a_postgres_left_running_on_the_data_is_ended_first(home: Path) -> None:
    async with embedded_postgres_server(home) as old:
        await ask_postgres(old.url, "CREATE TABLE kept AS SELECT 42 AS x")
        async with embedded_postgres_server(home) as new:
            assert old.child is not None
            assert not old.child.alive()
            assert await ask_postgres(new.url, "SELECT x FROM kept") == 42


async def test_a_half_made_data_folder_is_made_again(home: Path) -> None:
    (home / "postgres.new").mkdir()
    (home / "postgres.new" / "PG_VERSION").write_text("18\n")
    async with embedded_postgres_server(home) as server:
        assert await ask_postgres(server.url, "SELECT 1") == 1
    assert not (home / "postgres.new").exists()


async def test_lost_passwords_are_told_plainly(home: Path) -> None:
    async with embedded_postgres_server(home):
        pass
    (home / "secrets.json").unlink()
    with pytest.raises(StartError, match="refuses the password"):
        async with embedded_postgres_server(home):
            pass
    assert not processes_of(home)


async def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    async with embedded_nats_server(home) as server:
        taken = int(server.url.rpartition(":")[2])
        (home / "other").mkdir()
        with pytest.raises(StartError, match="address already in use"):
            async with embedded_nats_server(home / "other", taken):
                pass


async def test_jetstream_keeps_its_messages_when_the_server_is_killed(home: Path) -> None:
    async with embedded_nats_server(home) as server:
        client = await nats.connect(server.url)
        await client.jetstream().add_stream(name="EVENTS", subjects=["evt.*"])
        await client.jetstream().publish("evt.a", b"first")
        await client.close()
        await server.kill()
        await server.restart()
        client = await nats.connect(server.url)
        message = await client.jetstream().get_msg("EVENTS", 1)
        assert message.data == b"first"
        await client.close()
    assert not processes_of(home)


def test_passwords_are_private_and_stay_the_same(home: Path) -> None:
    first = passwords(home)
    assert sorted(first) == sorted(PASSWORDS)
    assert len(set(first.values())) == len(PASSWORDS)
    assert passwords(home) == first
    assert (home / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert (home / "secrets.json").stat().st_uid == os.geteuid()


def test_folders_are_made_passable_for_the_servers_user_but_not_readable(home: Path) -> None:
    inner = home / "inner"
    inner.mkdir(mode=0o700)
    data = inner / "data"
    data.mkdir(mode=0o700)
    stranger = os.geteuid() + 1

    postgres._let_in(stranger, data)

    assert [path.stat().st_mode & 0o777 for path in (home, inner, data)] == [0o701, 0o701, 0o700]


def test_a_privately_installed_server_is_made_readable_and_no_more(home: Path) -> None:
    program, library = home / "bin" / "postgres", home / "lib.so"
    program.parent.mkdir(mode=0o700)
    program.touch(mode=0o700)
    library.touch(mode=0o600)

    postgres._share(home)

    modes = [path.stat().st_mode & 0o777 for path in (home, program.parent, program, library)]
    assert modes == [0o755, 0o755, 0o755, 0o644]


def test_a_server_may_be_stopped_from_another_event_loop(home: Path) -> None:
    context = embedded_nats_server(home)
    server = asyncio.run(context.__aenter__())
    asyncio.run(server.restart())
    asyncio.run(server.stop())
    assert not processes_of(home)


async def test_streams_from_before_accounts_are_there_for_the_services(home: Path) -> None:
    completed, durable = "bazaar.evt.step.completed", "payment-step-completed"
    async with embedded_nats_server(home) as server:
        before = await nats.connect(server.url)
        await topology.declare(before)
        js = before.jetstream()
        for n in range(3):
            await js.publish(f"{completed}.t{n}", b"{}")
        await (await js.key_value("API_KEYS")).put("k", b"whose")
        reading = await js.pull_subscribe_bind(durable, stream="EVENTS")
        for message in await reading.fetch(2, timeout=5):
            await message.ack_sync()
        await before.close()

    async with embedded_nats_server(home, locked=True) as server:
        port = int(server.url.rpartition(":")[2])
        admin = local_nats.url(port, ADMIN, passwords(home)[f"nats_{ADMIN}"])
        after = await nats.connect(admin)
        assert (await topology.declare(after)).mended == []
        js = after.jetstream()
        assert (await js.publish(f"{completed}.t3", b"{}")).seq == 4
        assert (await (await js.key_value("API_KEYS")).get("k")).value == b"whose"
        reading = await js.pull_subscribe_bind(durable, stream="EVENTS")
        left = await reading.fetch(2, timeout=5)
        assert [message.subject for message in left] == [f"{completed}.t2", f"{completed}.t3"]
        assert {message.metadata.num_delivered for message in left} == {1}
        await after.close()
