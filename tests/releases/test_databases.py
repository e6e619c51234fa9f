"""A database of an earlier release: migrated with its data, and still used by that release.

While a release is rolled out, replicas of the one before go on with the new tables, so a migration
only expands; what it no longer needs goes in a later release.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from alembic import command

from chassis.migrate import alembic_config
from chassis.provision import provision
from tests.releases.past import RELEASES, database
from tests.support.stack import CONTEXTS, Stack, connected, logins

ALREADY_THERE = (asyncpg.UniqueViolationError,)
"""What a recorded statement may meet: the rows that it stored are in the data."""


@pytest.fixture(scope="module", params=RELEASES)
async def moved(request: pytest.FixtureRequest, stack: Stack) -> AsyncIterator[tuple[str, str]]:
    """A release, and the URL of a database that was its own and is migrated to today's."""
    release, name = request.param, f"release_{request.param.replace('.', '_')}"
    async with connected(stack.admin_url) as root:
        await root.execute(f"CREATE DATABASE {name}")
    url = f"{stack.admin_url.rpartition('/')[0]}/{name}"
    await provision(url, logins(*CONTEXTS))
    for context in CONTEXTS:
        own = f"{stack.owner_url(context).rpartition('/')[0]}/{name}"
        config = alembic_config(f"{context}_svc", own)
        past = database(release, context)
        await asyncio.to_thread(command.upgrade, config, past["revision"])
        async with connected(url) as root:
            # Some rows of each table, not all: sums over rows need not be right here.
            await root.execute("SET session_replication_role = replica")
            for table, rows in past["rows"].items():
                place = f"{context}.{table}"
                into = f"INSERT INTO {place} OVERRIDING SYSTEM VALUE"
                given = f"SELECT * FROM json_populate_recordset(NULL::{place}, $1)"  # noqa: S608
                await root.execute(f"{into} {given}", json.dumps(rows))
        await asyncio.to_thread(command.upgrade, config, "head")
    yield release, url
    async with connected(stack.admin_url) as root:
        await root.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("context", CONTEXTS)
async def test_migrations_keep_what_was_stored(moved: tuple[str, str], context: str) -> None:
    release, url = moved
    async with connected(url) as root:
        for table, rows in database(release, context)["rows"].items():
            query = f"SELECT row_to_json(t)::text FROM {context}.{table} t"  # noqa: S608
            kept = await root.fetch(query)
            now = [json.loads(row[0]) for row in kept]
            for row in rows:
                assert any(_holds(other, row) for other in now), (table, row)


def _holds(now: dict[str, Any], before: dict[str, Any]) -> bool:
    return all(now[name] == value for name, value in before.items() if name in now)


@pytest.mark.parametrize("context", CONTEXTS)
async def test_the_earlier_release_can_still_use_its_tables(
    moved: tuple[str, str], stack: Stack, context: str
) -> None:
    """Each statement that it was seen to use is run as its role, with what it was given."""
    release, url = moved
    own = f"{stack.database_url(context).rpartition('/')[0]}/{url.rpartition('/')[2]}"
    async with connected(own) as conn:
        for statement in database(release, context)["statements"]:
            await _run(conn, statement["sql"], statement["arguments"])


async def _run(conn: Any, sql: str, arguments: str) -> None:
    transaction = conn.transaction()
    await transaction.start()
    try:
        await conn.execute(f"PREPARE recorded AS {sql}")
        await conn.execute(f"EXECUTE recorded ({arguments})" if arguments else "EXECUTE recorded")
    except ALREADY_THERE:
        pass
    except asyncpg.PostgresError as error:
        raise AssertionError(f"{error}\n{sql}\n{arguments}") from error
    finally:
        await transaction.rollback()
        await conn.execute("DEALLOCATE ALL")
