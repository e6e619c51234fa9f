"""Hands over what a service's role still owns to the owner's role, while the service goes on.

Up to release 0.2.0 a service owned its own tables. Each table is moved in a short transaction of
its own, together with what the service may do with it then, which is what it could do before.
"""

import asyncio

import asyncpg
import structlog

from chassis.db.grants import ORDINARY, VERSION_TABLE, owner_role, service_role

log = structlog.get_logger()

LOCK_WAIT_MS = 250
"""How long a table is waited for; whoever wants it meanwhile waits behind us."""
TRIES = 120
REST_S = 0.5

_OWNED = """
SELECT c.oid::regclass::text AS place, c.relname AS name, c.relkind::text AS kind
FROM pg_class c WHERE c.relowner = to_regrole($1) AND c.relnamespace = to_regnamespace($2)
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
      AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND c.relkind = 'S')
ORDER BY c.relname
"""
_SEQUENCES_OF = """
SELECT s.oid::regclass::text AS place
FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
  AND d.refobjid = to_regclass($1) AND d.deptype IN ('a', 'i')
"""


class Busy(Exception):
    """A table is in use without a pause, so that it cannot be handed over now."""


async def hand_over(conn: asyncpg.Connection, context: str) -> None:
    """Make the owner's role the owner of schema `context` and of all that the service owns.

    Args:
        conn: as a role that may act for both.
        context: whose schema; it exists.

    Raises:
        Busy: something was in use for too long. What was moved stays moved; run it again.
    """
    service, owner = service_role(context), owner_role(context)
    moves = [
        f"ALTER SCHEMA {context} OWNER TO {owner}",
        f"GRANT USAGE ON SCHEMA {context} TO {service}",
    ]
    await _patiently(conn, f"schema {context}", moves)
    for place, name, kind in await conn.fetch(_OWNED, service, context):
        await _patiently(conn, place, await _moves(conn, place, name, kind, service, owner))
    # Functions and types, and what nobody thought of: nothing waits for these.
    await _patiently(conn, f"schema {context}", [f"REASSIGN OWNED BY {service} TO {owner}"])


async def _moves(
    conn: asyncpg.Connection, place: str, name: str, kind: str, service: str, owner: str
) -> list[str]:
    """The statements that move one table, view or sequence."""
    if kind == "S":
        return [
            f"ALTER SEQUENCE {place} OWNER TO {owner}",
            f"GRANT USAGE ON SEQUENCE {place} TO {service}",
        ]
    wanted = ("SELECT",) if name == VERSION_TABLE else ORDINARY
    allowed = "SELECT has_table_privilege($1::text, $2::text, $3::text)"
    kept = [right for right in wanted if await conn.fetchval(allowed, service, place, right)]
    moves = [f"ALTER TABLE {place} OWNER TO {owner}"]
    if kept:
        moves.append(f"GRANT {', '.join(kept)} ON {place} TO {service}")
    for (sequence,) in await conn.fetch(_SEQUENCES_OF, place):
        moves.append(f"GRANT USAGE ON SEQUENCE {sequence} TO {service}")
    return moves


async def _patiently(conn: asyncpg.Connection, what: str, statements: list[str]) -> None:
    """Run the statements in one transaction; again, after a rest, when a lock was not to be had."""
    for _ in range(TRIES):
        try:
            async with conn.transaction():
                await conn.execute(f"SET LOCAL lock_timeout = {LOCK_WAIT_MS}")
                for statement in statements:
                    await conn.execute(statement)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            log.info("waiting for what is in use", what=what)
        else:
            return
        await asyncio.sleep(REST_S)
    raise Busy(f"{what} was in use for too long; run this again when less is going on")
