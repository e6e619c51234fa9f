"""What a service's login may do in the database: its work, and nothing that would undo a guard."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from alembic import command

from chassis.bus.envelopes import new_id
from chassis.db import ownership
from chassis.db.grants import NotTheOwner, owner_role, service_role
from chassis.db.ownership import Busy
from chassis.migrate import alembic_config
from chassis.provision import provision, read_logins
from chassis.secrets import BadSecret
from tests.support.stack import CONTEXTS, Stack, connected, logins

APPEND_ONLY = {
    *(
        "entries",
        "hold_lines",
        "checkpoints",
        "checkpoint_sums",
        "bazaarbucks_payments",
        "top_up_returns",
    ),
}
NEVER_DELETED = {
    *("ledger_accounts", "budgets", "holds", "spenders", "stripe_payments"),
    *("agent_owners", "sellers", "earnings", "payouts", "disputes"),
    *("machine_payments", "machine_receipts"),
}
OF_REGISTRY = {"task_ratings", "closed_accounts"}
"""Of the registry: given once, and never changed."""
OF_TASKS = {"quote_secrets"}
"""Of the task service: made once, and never changed."""
OWNERS = (
    "SELECT relname::text AS name, pg_get_userbyid(relowner)::text AS owner FROM pg_class"
    " WHERE relnamespace = to_regnamespace($1)"
    " UNION ALL SELECT nspname, pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = $1"
    " UNION ALL SELECT proname, pg_get_userbyid(proowner) FROM pg_proc"
    " WHERE pronamespace = to_regnamespace($1)"
    " UNION ALL SELECT typname, pg_get_userbyid(typowner) FROM pg_type"
    " WHERE typnamespace = to_regnamespace($1)"
)
RIGHTS = (
    "SELECT c.relname::text AS name, array_agg(a.privilege_type ORDER BY 1) AS rights"
    " FROM pg_class c, aclexplode(c.relacl) a WHERE c.relnamespace = to_regnamespace($1)"
    " AND c.relkind IN ('r', 'p') AND a.grantee = to_regrole($2) GROUP BY 1"
)


def database_of(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"


@asynccontextmanager
async def another_database(stack: Stack) -> AsyncIterator[str]:
    """Its name; on the same server, so that the roles are known there too."""
    name = f"roles_{new_id()[:8]}"
    async with connected(stack.admin_url) as root:
        await root.execute(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            await root.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def upgraded(url: str, context: str) -> None:
    await asyncio.to_thread(command.upgrade, alembic_config(f"{context}_svc", url), "head")


async def owners(conn: asyncpg.Connection, context: str) -> set[str]:
    return {row["owner"] for row in await conn.fetch(OWNERS, context)}


async def rights(conn: asyncpg.Connection, context: str) -> dict[str, set[str]]:
    found = await conn.fetch(RIGHTS, context, service_role(context))
    return {row["name"]: set(row["rights"]) for row in found}


@pytest.mark.parametrize("context", CONTEXTS)
async def test_a_service_owns_nothing(stack: Stack, context: str) -> None:
    async with connected(stack.admin_url) as root:
        assert await owners(root, context) == {owner_role(context)}
        owned = "SELECT count(*) FROM pg_shdepend WHERE refobjid = to_regrole($1) AND deptype = 'o'"
        assert await root.fetchval(owned, service_role(context)) == 0
        member = "SELECT pg_has_role($1::name, $2::name, 'MEMBER')"
        for other in CONTEXTS:
            assert not await root.fetchval(member, service_role(context), owner_role(other))
            if other != context:
                assert not await root.fetchval(member, owner_role(context), owner_role(other))


@pytest.mark.parametrize("context", CONTEXTS)
async def test_a_service_has_the_rights_that_its_tables_say(stack: Stack, context: str) -> None:
    async with connected(stack.admin_url) as root:
        found = await rights(root, context)
    assert found.pop("alembic_version") == {"SELECT"}
    for table, may in found.items():
        wanted = {"SELECT", "INSERT", "UPDATE", "DELETE"}
        if context == "registry":
            wanted -= {"UPDATE", "DELETE"} if table in OF_REGISTRY else set()
        if context == "task":
            wanted -= {"UPDATE", "DELETE"} if table in OF_TASKS else set()
        if context == "payment":
            wanted -= {"UPDATE", "DELETE"} if table in APPEND_ONLY else set()
            wanted -= {"DELETE"} if table in NEVER_DELETED else set()
        assert may == wanted, table
    if context == "payment":
        assert set(found) > APPEND_ONLY | NEVER_DELETED


@pytest.mark.parametrize("context", CONTEXTS)
async def test_a_service_changes_no_table_and_gives_itself_no_right(
    stack: Stack, context: str
) -> None:
    me = service_role(context)
    outbox = f"{context}_outbox"
    refused = (
        f"CREATE TABLE {context}.mine (id int)",
        f"CREATE FUNCTION {context}.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        f"CREATE TYPE {context}.mine AS ENUM ()",
        f"ALTER TABLE {outbox} DISABLE TRIGGER ALL",
        f"ALTER TABLE {outbox} ADD COLUMN mine int",
        f"ALTER TABLE {outbox} OWNER TO {me}",
        f"CREATE TRIGGER mine AFTER INSERT ON {outbox} EXECUTE FUNCTION tsvector_update_trigger()",
        f"CREATE INDEX mine ON {outbox} (id)",
        f"TRUNCATE {outbox}",
        f"DROP TABLE {outbox}",
        f"DROP SCHEMA {context} CASCADE",
        f"ALTER SCHEMA {context} OWNER TO {me}",
        f"SET ROLE {owner_role(context)}",
        f"GRANT {owner_role(context)} TO {me}",
        f"ALTER ROLE {owner_role(context)} PASSWORD 'mine'",
        "UPDATE alembic_version SET version_num = 'none'",
        f"SELECT setval('{outbox}_id_seq', 1)",
        "SET session_replication_role = replica",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE TABLE public.mine (id int)",
        "CREATE SCHEMA mine",
        "SELECT lo_create(0)",
    )
    async with connected(stack.database_url(context)) as conn:
        for statement in refused:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement)
        # PostgreSQL passes over what there is no right to give, with a warning.
        await conn.execute(f"GRANT TRUNCATE ON {outbox} TO {me}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(f"TRUNCATE {outbox}")


@pytest.mark.parametrize("statement", ["GRANT UPDATE ON {} TO {}", "GRANT ALL ON {} TO {}"])
async def test_what_was_taken_away_stays_away(stack: Stack, statement: str) -> None:
    async with connected(stack.database_url("payment")) as conn:
        for table in APPEND_ONLY:
            await conn.execute(statement.format(table, service_role("payment")))
            for change in ("UPDATE {} SET created_at = now()", "DELETE FROM {}", "TRUNCATE {}"):
                words = change.format(table)
                if table == "checkpoint_sums":
                    words = words.replace("created_at = now()", "posted = 0")
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match=table):
                    await conn.execute(words)


async def test_the_migration_step_of_the_service_itself_is_refused(stack: Stack) -> None:
    with pytest.raises(NotTheOwner, match="log in as bazaar_task_owner"):
        await upgraded(stack.database_url("task"), "task")
    async with another_database(stack) as name:
        with pytest.raises(NotTheOwner, match=r"run python -m chassis\.provision"):
            await upgraded(database_of(stack.owner_url("task"), name), "task")


async def test_rights_that_have_gone_astray_are_put_right_again(stack: Stack) -> None:
    async with another_database(stack) as name:
        admin, owner = (
            database_of(url, name) for url in (stack.admin_url, stack.owner_url("task"))
        )
        await provision(admin, logins("task"))
        await upgraded(owner, "task")
        async with connected(admin) as root:
            before = await rights(root, "task")
            await root.execute("GRANT ALL ON task.steps, task.alembic_version TO bazaar_task")
            await root.execute("REVOKE ALL ON task.tasks FROM bazaar_task")
            await upgraded(owner, "task")
            assert await rights(root, "task") == before


# --- A database of release 0.2.0: the service owns it all.


async def as_in_0_2_0(root: asyncpg.Connection, context: str) -> None:
    """Give a migrated schema back to the service's role, as that release had it."""
    service = service_role(context)
    await root.execute(f"REASSIGN OWNED BY {owner_role(context)} TO {service}")
    # A grant to the owner of a table says what the owner has given up.
    kept = {"entries", "hold_lines", "checkpoints", "checkpoint_sums"}
    for table in await root.fetch(
        "SELECT c.relname AS name FROM pg_class c WHERE relnamespace = to_regnamespace($1)"
        " AND relkind = 'r'",
        context,
    ):
        place = f"{context}.{table['name']}"
        await root.execute(f"GRANT ALL ON {place} TO {service}")
        if table["name"] in kept:
            await root.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {place} FROM {service}")


@asynccontextmanager
async def old_database(stack: Stack) -> AsyncIterator[tuple[str, asyncpg.Connection]]:
    """Its name, with all schemas as release 0.2.0 had them; and a connection to it."""
    async with another_database(stack) as name:
        admin = database_of(stack.admin_url, name)
        await provision(admin, logins(*CONTEXTS))
        for context in CONTEXTS:
            await upgraded(database_of(stack.owner_url(context), name), context)
        async with connected(admin) as root:
            for context in CONTEXTS:
                await as_in_0_2_0(root, context)
                assert await owners(root, context) == {service_role(context)}
            yield name, root


async def test_an_old_database_is_handed_over_and_old_services_go_on(stack: Stack) -> None:
    async with old_database(stack) as (name, root):
        admin = database_of(stack.admin_url, name)
        async with connected(database_of(stack.database_url("payment"), name)) as old:
            line = (
                "INSERT INTO entries (transfer_id, ledger_account, amount, kind)"
                " VALUES ('t', 'a', 1, 'x')"
            )
            row = "INSERT INTO payment_outbox (queue, payload) VALUES ('bus', 'x')"
            for _ in range(2):
                await provision(admin, logins(*CONTEXTS))
                for context in CONTEXTS:
                    assert await owners(root, context) == {owner_role(context)}
                # As before the hand-over, on the connection that was open then.
                await old.execute(row)
                await old.execute("UPDATE budgets SET held = 0; DELETE FROM payment_outbox")
                await old.execute("SELECT version_num FROM alembic_version")
                with pytest.raises(asyncpg.CheckViolationError):
                    await old.execute(line)
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await old.execute("UPDATE entries SET kind = 'y'")
        for context in CONTEXTS:
            await upgraded(database_of(stack.owner_url(context), name), context)
            async with connected(stack.admin_url) as fresh:
                assert await rights(root, context) == await rights(fresh, context)


async def test_the_hand_over_waits_for_whoever_is_at_work(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with old_database(stack) as (name, root):
        admin = database_of(stack.admin_url, name)
        monkeypatch.setattr(ownership, "REST_S", 0.01)
        monkeypatch.setattr(ownership, "LOCK_WAIT_MS", 10)
        async with connected(database_of(stack.database_url("task"), name)) as old:
            at_work = old.transaction()
            await at_work.start()
            await old.execute("SELECT FROM steps FOR UPDATE")
            monkeypatch.setattr(ownership, "TRIES", 2)
            with pytest.raises(Busy, match=r"task\.steps was in use"):
                await provision(admin, logins("task"))
            monkeypatch.setattr(ownership, "TRIES", 10_000)
            moving = asyncio.create_task(provision(admin, logins("task")))
            # What was reached before is moved, and may be used.
            async with connected(database_of(stack.database_url("task"), name)) as other:
                await other.execute("SELECT FROM negotiations")
            await at_work.commit()
            await moving
        assert await owners(root, "task") == {owner_role("task")}


async def test_an_administrator_who_is_no_superuser_provisions_as_well(stack: Stack) -> None:
    boss = f"boss_{new_id()[:8]}"
    one: Any = logins(f"shop{new_id()[:6]}")
    async with another_database(stack) as name, connected(stack.admin_url) as root:
        await root.execute(f"CREATE ROLE {boss} LOGIN CREATEROLE PASSWORD 'secret'")
        await root.execute(f"ALTER DATABASE {name} OWNER TO {boss}")
        place = stack.admin_url.rpartition("@")[2].partition("/")[0]
        try:
            for _ in range(2):
                await provision(f"postgresql://{boss}:secret@{place}/{name}", one)
            async with connected(database_of(stack.admin_url, name)) as there:
                (context,) = one
                assert await owners(there, context) == {owner_role(context)}
        finally:
            async with connected(database_of(stack.admin_url, name)) as there:
                for role in (*(of(c) for c in one for of in (service_role, owner_role)), boss):
                    await there.execute(f"REASSIGN OWNED BY {role} TO postgres")
                    await there.execute(f"DROP OWNED BY {role} CASCADE")
                    await there.execute(f"DROP ROLE {role}")


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"TASK_DB_PASSWORD": "a"}, "TASK_OWNER_DB_PASSWORD is not set"),
        (
            {"TASK_DB_PASSWORD": "a", "TASK_OWNER_DB_PASSWORD": "a"},
            "TASK_OWNER_DB_PASSWORD is the same",
        ),
    ],
)
def test_each_role_needs_a_password_of_its_own(environ: dict[str, str], complaint: str) -> None:
    with pytest.raises(BadSecret, match=complaint):
        read_logins(environ)


def test_the_logins_are_read_from_the_environment() -> None:
    found = read_logins(
        {"TASK_DB_PASSWORD": "a", "TASK_OWNER_DB_PASSWORD": "b", "CHAT_DB_PASSWORD": ""}
    )
    assert {name: tuple(passwords) for name, passwords in found.items()} == {"task": ("a", "b")}
