"""What the database itself refuses, whatever the code does."""

from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import permutations
from typing import Any

import asyncpg
import pytest

from chassis.bus.envelopes import new_id
from tests.payment.conftest import NewCustomer
from tests.payment.helpers import completed
from tests.support.stack import CONTEXTS, Stack, connected


@pytest.fixture
async def conn(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """A connection with the rights of the payment service, in a transaction that is not kept."""
    async with connected(stack.database_url("payment")) as own:
        transaction = own.transaction()
        await transaction.start()
        yield own
        await transaction.rollback()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET amount = amount * 2",
        "UPDATE entries SET kind = 'gift' WHERE false",
        "DELETE FROM entries",
        "DELETE FROM entries WHERE false",
        "TRUNCATE entries",
        "INSERT INTO entries DEFAULT VALUES ON CONFLICT (id) DO UPDATE SET amount = 2",
    ],
)
async def test_the_ledger_cannot_be_rewritten(
    customer: NewCustomer, conn: asyncpg.Connection, statement: str
) -> None:
    buyer, task = await customer("5"), new_id()
    await buyer.told(completed(task, await buyer.hold("1", task=task), "1"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="entries"):
        await conn.execute(statement)


LINE = "INSERT INTO entries (transfer_id, ledger_account, amount, kind) VALUES "


@pytest.mark.parametrize(
    "lines",
    [
        "('t', 'a', 1, 'x')",
        "('t', 'a', 1, 'x'), ('t', 'b', -0.999999, 'x')",
        "('t', 'a', 1, 'x'), ('u', 'b', -1, 'x')",  # Zero in all, but no transfer by itself.
        "('t', 'a', 1, 'x'), ('t', 'b', -1, 'x'), ('u', 'c', 5, 'x')",
    ],
)
async def test_an_unbalanced_transfer_is_refused(conn: asyncpg.Connection, lines: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="does not add up to zero"):
        await conn.execute(LINE + lines)


async def test_a_balanced_transfer_is_accepted_and_an_empty_line_is_not(
    conn: asyncpg.Connection,
) -> None:
    await conn.execute(LINE + "('t', 'a', 1, 'x'), ('t', 'b', -0.4, 'x'), ('t', 'c', -0.6, 'x')")
    with pytest.raises(asyncpg.CheckViolationError, match="no_empty_lines"):
        await conn.execute(LINE + "('t', 'a', 0, 'x')")


async def test_lines_cannot_take_the_place_of_others(conn: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.GeneratedAlwaysError):
        await conn.execute(
            "INSERT INTO entries (id, transfer_id, ledger_account, amount, kind)"
            " VALUES (1, 't', 'a', 1, 'x')"
        )


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("UPDATE ledger_accounts SET held = posted + 0.000001", "available_not_negative"),
        ("UPDATE ledger_accounts SET posted = held - 0.000001", "available_not_negative"),
        ("UPDATE ledger_accounts SET held = -0.000001", "held_not_negative"),
        ("UPDATE ledger_accounts SET owed = -0.000001", "owed_not_negative"),
        # What is owed is what was lacking when it was taken back, so a debt is no credit.
        ("UPDATE ledger_accounts SET owed = 1, held = posted + 1.000001", "available_not_negative"),
        ("UPDATE stripe_payments SET taken_back = amount + 0.000001", "taken_back_within_amount"),
        ("UPDATE budgets SET held = max_budget + 0.000001", "within_budget"),
        ("UPDATE budgets SET captured = max_budget - held + 0.000001", "within_budget"),
        ("UPDATE budgets SET held = -0.000001", "sums_not_negative"),
        ("UPDATE budgets SET captured = -0.000001", "sums_not_negative"),
        ("UPDATE holds SET captured = held + 0.000001", "captured_within_held"),
        ("UPDATE holds SET captured = 1, external = held", "captured_within_held"),
        ("UPDATE holds SET status = 'lost'", "known_status"),
        ("UPDATE stripe_payments SET amount = -1", "card_amount_positive"),
    ],
)
async def test_balances_that_cannot_be_are_refused(
    customer: NewCustomer, conn: asyncpg.Connection, statement: str, check: str
) -> None:
    buyer, task = await customer("5"), new_id()
    done = await buyer.hold("2", task=task, budget="4")
    await buyer.told(completed(task, done, "1", external_cost="1"))
    await buyer.hold("1", task=task, budget="4")
    column, mine = {
        "ledger_accounts": ("id", f"wallet:{buyer.account}"),
        "budgets": ("task_id", task),
        "holds": ("id", done),
        "stripe_payments": ("task_id", task),
    }[statement.split()[1]]
    with pytest.raises(asyncpg.CheckViolationError, match=check):
        await conn.execute(f"{statement} WHERE {column} = $1", mine)


async def test_a_payment_of_nothing_is_refused(conn: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="amount_positive"):
        await conn.execute(
            "INSERT INTO bazaarbucks_payments"
            " (id, account, task_id, step_id, agent_id, amount, type)"
            " VALUES ('p', 'a', 't', 's', 'poet', 0, 'agent_payment')"
        )


async def test_only_the_world_may_owe(customer: NewCustomer, sql: "asyncpg.Pool[Any]") -> None:
    await customer("5")
    owing = await sql.fetch("SELECT id FROM ledger_accounts WHERE posted < 0 AND owed = 0")
    assert [row["id"] for row in owing] == ["world"]
    minted = await sql.fetch(
        "SELECT DISTINCT kind FROM entries e WHERE EXISTS (SELECT FROM entries o"
        " WHERE o.transfer_id = e.transfer_id AND o.ledger_account = 'world')"
    )
    for_money = {"top_up", "top_up_reversed", "top_up_restored", "payout_paid", "machine_top_up"}
    assert {row["kind"] for row in minted} - for_money == {"grant"}


@pytest.mark.parametrize(("reader", "owner"), list(permutations(CONTEXTS, 2)))
async def test_a_service_cannot_reach_the_schema_of_another(
    stack: Stack, reader: str, owner: str
) -> None:
    async with connected(stack.admin_url) as root:
        tables = await root.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace($1)"
            " AND relkind IN ('r', 'v', 'm', 'p', 'S')",
            owner,
        )
    assert len(tables) > 3
    async with connected(stack.database_url(reader)) as conn:
        for table in tables:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.fetch(f'SELECT * FROM {owner}."{table["relname"]}"')  # noqa: S608  (our own words)
        for statement in (
            f"CREATE TABLE {owner}.mine (id int)",
            f"INSERT INTO {owner}.inbox VALUES ('a', 'b')",  # noqa: S608  (our own words)
            f"SET ROLE bazaar_{owner}",
            f"GRANT USAGE ON SCHEMA {owner} TO bazaar_{reader}",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement)


@pytest.mark.parametrize("context", CONTEXTS)
async def test_a_service_makes_no_roles_and_stays_in_its_schema(stack: Stack, context: str) -> None:
    async with connected(stack.database_url(context)) as conn:
        for statement in (
            "CREATE ROLE friend",
            "CREATE SCHEMA another",
            "CREATE TABLE public.mine (id int)",
            "CREATE TEMPORARY TABLE mine (id int)",
            "COPY (SELECT 1) TO PROGRAM 'true'",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement)


async def test_amounts_are_kept_exactly(customer: NewCustomer) -> None:
    buyer, task = await customer("0.3"), new_id()
    for _ in range(3):
        step = await buyer.hold("0.1", task=task, budget="0.3")
        await buyer.told(completed(task, step, "0.1"))
    assert (await buyer.wallet()).posted == 0
    assert await buyer.budget(task) == (Decimal(0), Decimal("0.3"))
