"""What the migrations make is what the code expects, and no list is slow because it is long."""

import asyncio
import importlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from chassis import migrate
from chassis.db.database import Database, async_url
from chassis.migrate import alembic_config
from chassis.provision import provision
from tests.support.processes import PROJECT
from tests.support.stack import CONTEXTS, Stack, connected, logins


def metadata_of(context: str) -> MetaData:
    found: MetaData = importlib.import_module(f"{context}_svc.tables").metadata
    return found


@asynccontextmanager
async def engine_of(stack: Stack, context: str, **settings: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(
        async_url(stack.database_url(context)), connect_args={"server_settings": settings}
    )
    try:
        yield engine
    finally:
        await engine.dispose()


def differences(conn: Connection, metadata: MetaData) -> list[object]:
    found = MigrationContext.configure(
        conn,
        opts={
            "compare_type": True,
            "compare_server_default": True,
            "include_schemas": True,
            "include_name": lambda name, kind, _: kind != "schema" or name == metadata.schema,
            "version_table_schema": metadata.schema,
        },
    )
    return list(compare_metadata(found, metadata))


@pytest.mark.parametrize("context", CONTEXTS)
async def test_the_migrations_make_the_tables_that_the_code_expects(
    stack: Stack, context: str
) -> None:
    # Alembic takes the schema on the search path for one without a name.
    async with (
        engine_of(stack, context, search_path="pg_catalog") as engine,
        engine.connect() as conn,
    ):
        assert await conn.run_sync(differences, metadata_of(context)) == []


@pytest.mark.parametrize("context", CONTEXTS)
async def test_the_migrations_make_the_checks_that_the_code_expects(
    stack: Stack, context: str
) -> None:
    """Alembic does not compare checks: create what the tables say elsewhere, and compare that."""
    query = text(
        "SELECT c.conrelid::regclass::text AS place, conname,"
        " pg_get_constraintdef(c.oid) AS what FROM pg_constraint c"
        " JOIN pg_class t ON t.oid = c.conrelid"
        " WHERE c.contype = 'c' AND t.relnamespace = to_regnamespace(:schema)"
    )

    async def found(conn: Any, schema: str) -> set[tuple[str, str, str]]:
        rows = (await conn.execute(query, {"schema": schema})).all()
        return {(row.place.split(".")[-1], row.conname, row.what) for row in rows}

    metadata = metadata_of(context)
    copy = MetaData(schema=f"{context}_copy")
    for table in metadata.tables.values():
        table.to_metadata(copy, schema=str(copy.schema))
    async with connected(stack.admin_url) as root:
        await root.execute(f"CREATE SCHEMA {copy.schema} AUTHORIZATION bazaar_{context}")
    try:
        async with engine_of(stack, context) as engine, engine.begin() as conn:
            await conn.run_sync(copy.create_all)
            assert await found(conn, str(copy.schema)) == await found(conn, context)
    finally:
        async with connected(stack.admin_url) as root:
            await root.execute(f"DROP SCHEMA {copy.schema} CASCADE")


@pytest.mark.parametrize("context", CONTEXTS)
async def test_the_outbox_is_as_its_library_wants_it(stack: Stack, context: str) -> None:
    url = stack.database_url(context)
    db = Database(url, metadata_of(context), pool=2, relay_workers=1)
    await db.outbox.validate_schema(check_autovacuum=True)
    await db.engine.dispose()


async def test_two_replicas_that_migrate_at_once_do_it_once(stack: Stack) -> None:
    async with fresh_database(stack) as url:
        outcomes = [await migrating(url) for _ in range(2)]
        for outcome in outcomes:
            said, _ = await outcome.communicate()
            assert outcome.returncode == 0, said.decode()
            assert b"migrated payment_svc" in said
        assert await reached(url) == newest(alembic_config("payment_svc", url)).revision


@pytest.mark.parametrize("met", ["55P03", "40P01"])
async def test_a_migration_that_meets_with_a_service_at_work_is_begun_again(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, met: str
) -> None:
    """With a lock that is not free in time, and with what PostgreSQL says of a deadlock."""
    loop, rests = asyncio.get_running_loop(), list[float]()
    monkeypatch.setattr(migrate, "LOCK_S", 0.2)
    async with (
        fresh_database(stack) as url,
        connected(stack.admin_url.rpartition("/")[0] + "/fresh") as root,
    ):
        config = alembic_config("payment_svc", url)
        last = newest(config)
        await asyncio.to_thread(command.upgrade, config, "0013")  # The next one alters the holds.
        if met == "55P03":
            await root.execute("BEGIN; LOCK TABLE payment.holds IN ACCESS SHARE MODE")
            leave = "ROLLBACK"
        else:
            await root.execute(DEADLOCK)
            leave = "DROP EVENT TRIGGER met"

        def rest(seconds: float) -> None:
            """The service is done when the migration has met with it once."""
            rests.append(seconds)
            asyncio.run_coroutine_threadsafe(root.execute(leave), loop).result()

        monkeypatch.setattr("chassis.migrate.time.sleep", rest)
        await asyncio.to_thread(migrate.upgrade, config)
        assert await reached(url) == last.revision
    assert rests == [migrate.AGAIN_S]


DEADLOCK = """
    CREATE FUNCTION public.met() RETURNS event_trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END $$;
    CREATE EVENT TRIGGER met ON ddl_command_start EXECUTE FUNCTION public.met();
"""


async def test_a_migration_that_fails_is_not_begun_again(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.migrate.time.sleep", lambda _seconds: pytest.fail("begun again"))
    async with fresh_database(stack) as url:
        async with connected(url) as conn:
            await conn.execute("CREATE TABLE payment.holds ()")
        with pytest.raises(DBAPIError, match="already exists"):
            await asyncio.to_thread(migrate.upgrade, alembic_config("payment_svc", url))


@asynccontextmanager
async def fresh_database(stack: Stack) -> AsyncIterator[str]:
    """A database of its own without tables; the URL of the owner of payment's schema."""
    async with connected(stack.admin_url) as root:
        await root.execute("CREATE DATABASE fresh")
    try:
        admin, own = (
            url.rpartition("/")[0] for url in (stack.admin_url, stack.owner_url("payment"))
        )
        await provision(f"{admin}/fresh", logins("payment"))
        yield f"{own}/fresh"
    finally:
        async with connected(stack.admin_url) as root:
            await root.execute("DROP DATABASE fresh WITH (FORCE)")


async def reached(url: str) -> str:
    """The revision that payment's schema is at."""
    async with connected(url) as conn:
        return str(await conn.fetchval("SELECT version_num FROM payment.alembic_version"))


def newest(config: Config) -> Script:
    """The newest revision of a service's migrations."""
    scripts = ScriptDirectory.from_config(config)
    return scripts.get_revision("head")


async def migrating(url: str) -> asyncio.subprocess.Process:
    """`python -m chassis.migrate payment_svc`, under way."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chassis.migrate", "payment_svc"),
        env={"PATH": os.environ.get("PATH", os.defpath), "DATABASE_URL": url},
        cwd=PROJECT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
