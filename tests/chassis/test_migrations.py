"""What the migrations make is what the code expects, and no list is slow because it is long."""

import asyncio
import importlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from chassis.database import Database, async_url
from chassis.migrate import alembic_config
from chassis.provision import provision
from tests.chassis.helpers import PROJECT, connected
from tests.conftest import CONTEXTS, Stack, logins


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
    async with connected(stack.admin_url) as root:
        await root.execute("CREATE DATABASE fresh")
    try:
        admin, own = (
            url.rpartition("/")[0] for url in (stack.admin_url, stack.owner_url("payment"))
        )
        await provision(f"{admin}/fresh", logins("payment"))
        outcomes = [await migrating(f"{own}/fresh") for _ in range(2)]
        for outcome in outcomes:
            said, _ = await outcome.communicate()
            assert outcome.returncode == 0, said.decode()
            assert b"migrated payment_svc" in said
        async with connected(f"{own}/fresh") as conn:
            [(reached,)] = await conn.fetch("SELECT version_num FROM alembic_version")
            assert reached == newest("payment_svc")
    finally:
        async with connected(stack.admin_url) as root:
            await root.execute("DROP DATABASE fresh WITH (FORCE)")


def newest(package: str) -> str:
    """The newest revision of a service's migrations."""
    config = alembic_config(package, "postgresql://nobody@127.0.0.1/nothing")
    return str(ScriptDirectory.from_config(config).get_current_head())


async def migrating(url: str) -> asyncio.subprocess.Process:
    """`python -m chassis.migrate payment_svc`, under way."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chassis.migrate", "payment_svc"),
        env={"PATH": os.environ.get("PATH", os.defpath), "DATABASE_URL": url},
        cwd=PROJECT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
