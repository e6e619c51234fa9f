"""Makes a schema and its two logins for every service (`python -m chassis.provision`).

Reads DATABASE_URL (a role that may create roles) and for each service `<CONTEXT>_DB_PASSWORD`, of
the running service, and `<CONTEXT>_OWNER_DB_PASSWORD`, of its migration step
(`chassis.db.grants` says who is who), or the files that these names with `_FILE` behind them name.
Running it again changes nothing but the passwords. A role reaches its own schema and no other.
"""

import asyncio
import os
import re
import sys
from collections.abc import Mapping
from typing import NamedTuple

import asyncpg

from chassis.db.grants import owner_role, service_role
from chassis.db.ownership import hand_over
from chassis.secrets import BadSecret, secret

PASSWORD = re.compile(r"^([A-Z]+)_DB_PASSWORD(_FILE)?$")
MAKES_LARGE_OBJECTS = "lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea)"


class Logins(NamedTuple):
    """The passwords of a context's two roles."""

    service: str
    owner: str


async def provision(admin_url: str, logins: Mapping[str, Logins]) -> None:
    """Create or mend schema and roles of each context; what a service still owns is handed over.

    Args:
        admin_url: `postgresql://` of the database, as a role that may create roles; of several
            hosts, the one that takes writes.
        logins: passwords per context.

    Raises:
        chassis.db.ownership.Busy: a table was in use for too long; running it again goes on.
    """
    conn = await asyncpg.connect(admin_url, timeout=10, target_session_attrs="read-write")
    try:
        await conn.execute("SELECT pg_advisory_lock(hashtext('bazaar.provision'))")
        async with conn.transaction():
            await _shut_what_all_may(conn)
            for context, passwords in logins.items():
                await _provision_one(conn, context, passwords)
        for context in logins:
            await hand_over(conn, context)
    finally:
        await conn.close()


async def _shut_what_all_may(conn: asyncpg.Connection) -> None:
    """Nobody makes tables, or anything else that would be theirs, outside of a schema of ours."""
    await conn.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    database = await conn.fetchval("SELECT quote_ident(current_database())")
    await conn.execute(f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC")
    if await _may_do_all(conn):  # Else these are not the administrator's to close.
        await conn.execute(f"REVOKE EXECUTE ON FUNCTION {MAKES_LARGE_OBJECTS} FROM PUBLIC")


async def _provision_one(conn: asyncpg.Connection, context: str, passwords: Logins) -> None:
    service, owner = service_role(context), owner_role(context)
    await _login(conn, service, passwords.service)
    await _login(conn, owner, passwords.owner)
    await conn.execute(f"CREATE SCHEMA IF NOT EXISTS {context} AUTHORIZATION {owner}")
    await conn.execute(f"REVOKE ALL ON SCHEMA {context} FROM PUBLIC")
    for role in (service, owner):
        await conn.execute(f"ALTER ROLE {role} SET search_path = {context}")


async def _login(conn: asyncpg.Connection, role: str, password: str) -> None:
    known = await conn.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
    secret = await conn.fetchval("SELECT quote_literal($1::text)", password)
    verb = "ALTER" if known else "CREATE"
    # Who is no superuser may not even say that another is none.
    none = "NOSUPERUSER NOCREATEDB NOBYPASSRLS NOREPLICATION" if await _may_do_all(conn) else ""
    await conn.execute(f"{verb} ROLE {role} LOGIN NOCREATEROLE {none} PASSWORD {secret}")
    await conn.execute(f"GRANT {role} TO current_user")


async def _may_do_all(conn: asyncpg.Connection) -> bool:
    return bool(await conn.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))


def read_logins(environ: Mapping[str, str] = os.environ) -> dict[str, Logins]:
    """The passwords of all contexts that the environment names.

    Raises:
        BadSecret: one of a context's two is missing, or they are the same.
    """
    contexts = sorted({found[1] for name in environ if (found := PASSWORD.match(name))})
    logins: dict[str, Logins] = {}
    for context in contexts:
        if service := secret(f"{context}_DB_PASSWORD", environ):
            owner = secret(f"{context}_OWNER_DB_PASSWORD", environ)
            if owner is None:
                raise BadSecret(f"{context}_OWNER_DB_PASSWORD is not set")
            if owner == service:
                raise BadSecret(
                    f"{context}_OWNER_DB_PASSWORD is the same as {context}_DB_PASSWORD: the service"
                    " could log in as the owner of its tables"
                )
            logins[context.lower()] = Logins(service, owner)
    return logins


def main() -> int:
    """Provision from the environment."""
    try:
        logins, admin_url = read_logins(), secret("DATABASE_URL")
    except BadSecret as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if not logins:
        sys.stderr.write("no <CONTEXT>_DB_PASSWORD is set: nothing to provision\n")
        return 1
    if admin_url is None:
        sys.stderr.write("DATABASE_URL is not set\n")
        return 1
    asyncio.run(provision(admin_url, logins))
    sys.stdout.write(f"provisioned {', '.join(sorted(logins))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
