"""Makes a schema and a login role for every service (`python -m chassis.provision`).

Reads DATABASE_URL (a role that may create roles) and one `<CONTEXT>_DB_PASSWORD` per service, or
the files that these names with `_FILE` behind them name.
Running it again changes nothing but the passwords. A role reaches its own schema and no other.
"""

import asyncio
import os
import re
import sys

import asyncpg

from chassis.secrets import secret

PASSWORD = re.compile(r"^([A-Z]+)_DB_PASSWORD(_FILE)?$")


async def provision(admin_url: str, passwords: dict[str, str]) -> None:
    """Create or mend schema `<context>` owned by role `bazaar_<context>`, for each context.

    Args:
        admin_url: `postgresql://` of the database, as a role that may create roles.
        passwords: login password per context.
    """
    conn = await asyncpg.connect(admin_url, timeout=10)
    try:
        async with conn.transaction():
            await conn.execute("SELECT pg_advisory_xact_lock(hashtext('bazaar.provision'))")
            await conn.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
            database = await conn.fetchval("SELECT quote_ident(current_database())")
            await conn.execute(f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC")
            for context, password in passwords.items():
                await _provision_one(conn, context, password)
    finally:
        await conn.close()


async def _provision_one(conn: asyncpg.Connection, context: str, password: str) -> None:
    role = f"bazaar_{context}"
    known = await conn.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
    secret = await conn.fetchval("SELECT quote_literal($1::text)", password)
    verb = "ALTER" if known else "CREATE"
    await conn.execute(f"{verb} ROLE {role} LOGIN NOSUPERUSER NOCREATEROLE PASSWORD {secret}")
    await conn.execute(f"GRANT {role} TO current_user")
    await conn.execute(f"CREATE SCHEMA IF NOT EXISTS {context} AUTHORIZATION {role}")
    await conn.execute(f"REVOKE ALL ON SCHEMA {context} FROM PUBLIC")
    await conn.execute(f"ALTER ROLE {role} SET search_path = {context}")


def main() -> int:
    """Provision from the environment."""
    passwords = {
        found[1].lower(): value
        for name in os.environ
        if (found := PASSWORD.match(name)) and (value := secret(f"{found[1]}_DB_PASSWORD"))
    }
    if not passwords:
        sys.stderr.write("no <CONTEXT>_DB_PASSWORD is set: nothing to provision\n")
        return 1
    admin_url = secret("DATABASE_URL")
    if admin_url is None:
        sys.stderr.write("DATABASE_URL is not set\n")
        return 1
    asyncio.run(provision(admin_url, passwords))
    sys.stdout.write(f"provisioned {', '.join(sorted(passwords))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
