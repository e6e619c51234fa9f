"""Brings services' schemas up to date (`python -m chassis.migrate payment_svc ...`).

Each service has its own alembic environment and its own version table in its own schema, and is
migrated by the schema's owner, `bazaar_<context>_owner`: `<CONTEXT>_DATABASE_URL`, or DATABASE_URL
when only one is named. The service's own role then gets what its tables say that it may do.
"""

import asyncio
import importlib
import itertools
import sys
import time
from pathlib import Path

from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, MetaData, pool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.db import grants
from chassis.db.away import sqlstate
from chassis.db.database import async_url
from chassis.db.primary import Primary
from chassis.secrets import BadSecret, secret

LOCK_S = 3
"""How long a table may be waited for: whoever works in it waits behind us."""
IN_THE_WAY = frozenset({"40P01", "55P03"})
"""SQLSTATEs of a deadlock, and of a lock that was not free in time."""
TRIES = 40
AGAIN_S = 0.5


def alembic_config(package: str, url: str) -> Config:
    """Alembic's configuration of a service package such as `payment_svc`."""
    folder = Path(str(importlib.import_module(package).__file__)).parent / "migrations"
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = async_url(url)
    return config


def run_environment(metadata: MetaData) -> None:
    """What a service's migrations/env.py calls: run the migrations inside its own schema."""
    asyncio.run(_online(context.config.attributes["url"], metadata))


async def _online(url: str, metadata: MetaData) -> None:
    engine = create_async_engine(
        url,
        poolclass=pool.NullPool,
        hide_parameters=True,
        connect_args={"timeout": 10, "async_creator_fn": Primary().connect},
    )
    async with engine.begin() as conn:
        schema = metadata.schema
        await conn.execute(
            text("SELECT pg_advisory_xact_lock(hashtext(:key))"), {"key": f"migrate {schema}"}
        )
        await conn.execute(text(f"SET LOCAL lock_timeout = '{LOCK_S}s'"))
        await conn.run_sync(_migrate, metadata)
    await engine.dispose()


def _migrate(conn: Connection, metadata: MetaData) -> None:
    grants.check_owner(conn, str(metadata.schema))
    context.configure(
        connection=conn,
        target_metadata=metadata,
        version_table_schema=metadata.schema,
        include_schemas=True,
        include_name=lambda name, kind, _parents: kind != "schema" or name == metadata.schema,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()
        grants.grant(conn, metadata)


def upgrade(config: Config) -> None:
    """Upgrade a schema to its newest revision, beside services that are at work in it.

    All of it is one transaction, so one that met with theirs (a deadlock, a lock that was not free
    in time) is begun again.

    Raises:
        DBAPIError: it met with them too often, or failed.
    """
    for tries in itertools.count(1):
        try:
            command.upgrade(config, "head")
        except DBAPIError as error:
            if sqlstate(error) not in IN_THE_WAY or tries == TRIES:
                raise
        else:
            return
        time.sleep(AGAIN_S)


def url_of(package: str) -> str:
    """The database URL for a service package, from the environment or a file that it names.

    Raises:
        BadSecret: neither `<CONTEXT>_DATABASE_URL` nor DATABASE_URL is set, or not readable.
    """
    own = f"{package.removesuffix('_svc').upper()}_DATABASE_URL"
    url = secret(own) or secret("DATABASE_URL")
    if url is None:
        raise BadSecret(f"neither {own} nor DATABASE_URL is set")
    return url


def main(packages: list[str]) -> int:
    """Upgrade every named service's schema to its newest revision."""
    for package in packages:
        try:
            upgrade(alembic_config(package, url_of(package)))
        except (grants.NotTheOwner, BadSecret) as error:
            sys.stderr.write(f"{package}: {error}\n")
            return 1
        sys.stdout.write(f"migrated {package}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
