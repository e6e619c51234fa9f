from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.db.database import Database, async_url
from registry_svc import tables
from tests.support.stack import Stack


def differences(conn: Connection) -> list[object]:
    context = MigrationContext.configure(
        conn,
        opts={
            "compare_type": True,
            "compare_server_default": True,
            "include_schemas": True,
            "include_name": lambda name, kind, _: kind != "schema" or name == "registry",
            "version_table_schema": "registry",
        },
    )
    return list(compare_metadata(context, tables.metadata))


async def test_the_migrations_make_the_schema_that_the_code_expects(stack: Stack) -> None:
    # Alembic takes the schema on the search path for one without a name.
    engine = create_async_engine(
        async_url(stack.database_url("registry")),
        connect_args={"server_settings": {"search_path": "pg_catalog"}},
    )
    async with engine.connect() as conn:
        assert await conn.run_sync(differences) == []
    await engine.dispose()


async def test_the_outbox_is_as_its_library_wants_it(stack: Stack) -> None:
    db = Database(stack.database_url("registry"), tables.metadata, pool=2, relay_workers=1)
    await db.outbox.validate_schema(check_autovacuum=True)
    await db.engine.dispose()
