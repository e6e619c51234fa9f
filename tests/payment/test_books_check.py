"""The check finds what is wrong, a migration keeps what is there, statements stay few."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from alembic import command
from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine

from chassis import migrate
from chassis.bus.envelopes import new_id
from chassis.db.database import async_url
from chassis.db.groups import Member
from chassis.provision import provision
from payment_svc.app import build
from payment_svc.check import store as store_check
from payment_svc.check.rules import RULES
from payment_svc.check.store import EVERYTHING
from payment_svc.holds import place as holds
from payment_svc.ledger.wallets import open_wallet
from tests.payment.books_helpers import Desk, entered, hold_of, payment_for, refund_of
from tests.payment.conftest import payment_settings
from tests.payment.helpers import completed, failed
from tests.support.stack import CONTEXTS, Stack, logins


@pytest.fixture(scope="module")
async def desk(stack: Stack) -> AsyncIterator[Desk]:
    """The handlers of a service that keeps a tenth; what they publish stays in the outbox."""
    config = payment_settings(stack, platform_fee_rate="0.1")
    service = build(config)
    yield Desk(service, config)
    await service.database.engine.dispose()


@pytest.fixture
async def account(desk: Desk) -> str:
    found = new_id()
    await open_wallet(desk.db, found, Decimal(100))
    return found


LINE = """
INSERT INTO payment.entries (transfer_id, account, kind, ledger_account, amount, step_id)
VALUES ('odd', 'odd', 'capture', 'wallet:odd', 1, $1)"""
PAYOUT = """
INSERT INTO payment.payouts (id, owner, amount, status, rail, ended_at)
VALUES ($1, 'odd', 1, 'paid', 'simulated', now())"""
RECEIPT = """
INSERT INTO payment.machine_receipts
  (id, account, protocol, network, asset, payer, nonce, units, amount, valid_before, payment,
   status, transaction, next_attempt_at)
VALUES ($1, 'odd', 'x402', 'n', 'a', 'p', 'o', 1, 1, now(), 'x', 'settled', 't', now())"""
SENT = """
INSERT INTO payment.machine_payments
  (id, account, work, hold_id, agent_id, network, asset, payer, pay_to, nonce, units, amount,
   valid_before, signature, status)
VALUES ('odd', 'odd', 'w', $1, 'a', 'n', 'a', 'p', 't', 'o', 1, 2, now(), 's', 'paid')"""
BREAKS = {
    "every transfer adds up to zero": LINE,
    "the ledger adds up to zero": LINE,
    "each balance is the sum of its lines": LINE,
    "each line of a wallet is its owner's": "UPDATE payment.entries SET account='x'{step}",
    "nothing available is negative": "UPDATE payment.ledger_accounts SET held=posted+1{wallet}",
    "what is owed is what is lacking": "UPDATE payment.ledger_accounts SET owed=1{wallet}",
    "nobody owes more than was taken back of top-ups": (
        "UPDATE payment.ledger_accounts SET posted=held-1, owed=1{wallet}"
    ),
    "what was taken back of top-ups left their wallets": LINE.replace(
        "'capture'", "'top_up_reversed'"
    ),
    "no top-up is taken back twice, or without having been credited": (
        "INSERT INTO payment.top_up_returns (transfer_id, payment_id, amount) VALUES ($1, $1, 1)"
    ),
    "what wallets hold is what open holds hold": (
        "UPDATE payment.ledger_accounts SET held=held+1{wallet}"
    ),
    "each hold is captured at most once": LINE,
    "a hold is captured or released, never both": "UPDATE payment.holds SET status='released'{id}",
    "captured is at most held": "UPDATE payment.holds SET held=0{id}",
    "what was captured left the wallet": LINE,
    "what the platform kept is its fees less what it gave back": (
        "UPDATE payment.holds SET fee=fee+0.000001{id}"
    ),
    "what was refunded came back": "UPDATE payment.holds SET refunded=refunded+1{id}",
    "a task's cost is its captures less its refunds": (
        "UPDATE payment.budgets SET captured=captured+1{task}"
    ),
    "no task is over its budget": "UPDATE payment.budgets SET max_budget=0{task}",
    "no credential spends more than its limit": "UPDATE payment.spenders SET most=1{spender}",
    "what a credential spent is what its holds hold and paid": (
        "UPDATE payment.spenders SET captured=captured+1{spender}"
    ),
    "no bill is paid above its quote": "UPDATE payment.holds SET quoted=captured{id}",
    "payment records are what was captured": (
        "DELETE FROM payment.bazaarbucks_payments{step} AND type='platform_fee'"
    ),
    "refund records are what was refunded": (
        "DELETE FROM payment.bazaarbucks_payments{step} AND type='refund'"
    ),
    "card records are what agents bought": "DELETE FROM payment.stripe_payments{step}",
    "card refunds are what was given back of purchases": (
        "UPDATE payment.holds SET external_refunded=external{id}"
    ),
    "the journal of a hold is what it held and what of that was captured": (
        "DELETE FROM payment.hold_lines WHERE hold_id=$1 AND kind='captured'"
    ),
    "an earning is what its agent was paid, less what was given back": (
        "UPDATE payment.earnings SET amount=amount+1{step}"
    ),
    "what was settled left its agents, once": LINE.replace(
        "'capture', 'wallet:odd', 1", "'settled', 'agent:odd', -1"
    ),
    "each line of a seller is its owner's": LINE.replace(
        "'capture', 'wallet:odd'", "'payout', 'seller:other'"
    ),
    "a payout moved what it is of, once": PAYOUT,
    "what is on its way to sellers is what payouts are under way": (
        PAYOUT.replace("'paid'", "'pending'").replace("now()", "NULL")
    ),
    "no seller was paid more than was settled": PAYOUT,
    "a payment by a machine was credited once, when it was settled": RECEIPT,
    "what agents were sent is what their steps bought": SENT,
    "a seller owes at most what was given back after it was settled": (
        "INSERT INTO payment.ledger_accounts (id, posted, owed) VALUES ('seller:' || $1, -1, 1)"
    ),
}


@pytest.mark.parametrize("rule", RULES)
async def test_each_rule_finds_what_breaks_it(
    stack: Stack, desk: Desk, account: str, rule: str
) -> None:
    task, step = new_id(), new_id()
    spender = await desk.spender(account, new_id(), limit="9")
    agent = f"poet-{task}"  # Nobody else has heard whose it is.
    request = hold_of(step, task, Decimal(3), Decimal(5), agent)
    await holds.place_hold(request, desk.db, spender)
    await desk.complete(account, completed(task, step, "2", external_cost="1", agent_id=agent))
    (paid,) = await desk.rows(
        "SELECT id FROM payment.bazaarbucks_payments WHERE step_id=$1 AND type='agent_payment'",
        step,
    )
    await desk.refund(account, refund_of(paid.id, "0.5"))
    assert await desk.broken() == []
    where = {
        "step": " WHERE step_id=$1",
        "id": " WHERE id=$1",
        "spender": f" WHERE id='{spender.spender}' AND $1<>''",
        "task": f" WHERE task_id='{task}' AND $1<>''",
        "wallet": f" WHERE id='wallet:{account}' AND $1<>''",
    }
    engine = create_async_engine(async_url(stack.admin_url))
    async with engine.connect() as conn:  # What is not committed is rolled back.
        await conn.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for row in await conn.exec_driver_sql(
            "SELECT conrelid::regclass::text AS of, conname FROM pg_constraint"
            " WHERE contype='c' AND connamespace='payment'::regnamespace"
        ):
            await conn.exec_driver_sql(f'ALTER TABLE {row.of} DROP CONSTRAINT "{row.conname}"')
        span = await store_check.recent(conn)
        assert step in span.about["steps"]
        assert not any((await store_check.broken_lately(conn, span)).values())
        await conn.exec_driver_sql(BREAKS[rule].format(**where), (step,))
        assert (await store_check.broken_rules(conn))[rule]
        span = await store_check.recent(conn)
        assert (await store_check.broken_lately(conn, span))[rule]
    await engine.dispose()


OLD = """
INSERT INTO payment.ledger_accounts (id, posted, held) VALUES
  ('world', -30, 0), ('wallet:demo', 8, 1), ('wallet:acme', 19, 0), ('agent:poet', 2, 0),
  ('card_clearing', 1, 0);
INSERT INTO payment.budgets (task_id, account, max_budget, held, captured) VALUES
  ('t1', 'demo', 5, 1, 2), ('t2', 'acme', 5, 0, 1);
INSERT INTO payment.holds
  (id, account, task_id, agent_id, asked, held, status, captured, external) VALUES
  ('s1', 'demo', 't1', 'poet', 2, 3, 'captured', 1, 1), ('s2', 'demo', 't1', 'poet', 1, 1, 'held', 0, 0),
  ('s3', 'acme', 't2', 'poet', 1, 1, 'captured', 1, 0), ('s4', 'acme', 't2', 'poet', 1, 1, 'released', 0, 0);
INSERT INTO payment.entries (transfer_id, ledger_account, amount, kind, task_id, step_id) VALUES
  ('g1', 'world', -10, 'grant', NULL, NULL), ('g1', 'wallet:demo', 10, 'grant', NULL, NULL),
  ('g2', 'world', -20, 'grant', NULL, NULL), ('g2', 'wallet:acme', 20, 'grant', NULL, NULL),
  ('c1', 'wallet:demo', -2, 'capture', 't1', 's1'), ('c1', 'agent:poet', 1, 'capture', 't1', 's1'),
  ('c1', 'card_clearing', 1, 'capture', 't1', 's1'),
  ('c2', 'wallet:acme', -1, 'capture', 't2', 's3'), ('c2', 'agent:poet', 1, 'capture', 't2', 's3');
INSERT INTO payment.bazaarbucks_payments
  (id, account, task_id, step_id, agent_id, amount, type) VALUES
  ('p1', 'demo', 't1', 's1', 'poet', 1, 'agent_payment'),
  ('p2', 'acme', 't2', 's3', 'poet', 1, 'agent_payment');
INSERT INTO payment.stripe_payments
  (id, account, task_id, step_id, agent_id, vendor, amount, status, type, rail) VALUES
  ('x1', 'demo', 't1', 's1', 'poet', 'shop', 1, 'completed', 'card_spend', 'simulated');
"""  # noqa: E501
TABLES = ("ledger_accounts", "budgets", "holds", "entries", "bazaarbucks_payments")


@asynccontextmanager
async def empty_database(stack: Stack) -> AsyncIterator[str]:
    """Another database on the same server, by its name."""
    name = f"old_{new_id()[:8]}"
    admin = await asyncpg.connect(stack.admin_url)
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        server, _, _ = stack.admin_url.rpartition("/")
        await provision(f"{server}/{name}", logins(*CONTEXTS))
        yield name
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


async def test_a_migration_keeps_the_books(stack: Stack) -> None:
    async with empty_database(stack) as name:
        own, url = (
            f"{of('payment').rpartition('/')[0]}/{name}"
            for of in (stack.database_url, stack.owner_url)
        )
        config = migrate.alembic_config("payment_svc", url)
        await asyncio.to_thread(command.upgrade, config, "0001")
        conn: asyncpg.Connection[Any] = await asyncpg.connect(url)
        await conn.execute(OLD)
        every = [f"TABLE payment.{table} ORDER BY 1, 2, 3" for table in TABLES]
        before = [[dict(row) for row in await conn.fetch(query)] for query in every]
        await conn.close()  # What it has prepared is of the old tables.
        await asyncio.to_thread(command.upgrade, config, "head")
        conn = await asyncpg.connect(url)
        for query, old in zip(every, before, strict=True):
            new = [dict(row) for row in await conn.fetch(query)]
            assert [{key: row[key] for key in old[0]} for row in new] == old
        owners = await conn.fetch("SELECT transfer_id, account FROM payment.entries")
        assert {tuple(row) for row in owners} == {
            ("g1", "demo"),
            ("c1", "demo"),
            ("g2", "acme"),
            ("c2", "acme"),
        }
        for rule in RULES.values():
            assert not await conn.fetch(rule.format_map(EVERYTHING))
        lines = await conn.fetch("SELECT hold_id, kind, amount FROM payment.hold_lines ORDER BY 1")
        assert {tuple(map(str, row)) for row in lines} == {
            *(("s1", "placed", "2.000000"), ("s1", "extended", "1.000000")),
            *(("s1", "captured", "-2.000000"), ("s1", "released", "-1.000000")),
            *(("s2", "placed", "1.000000"), ("s3", "placed", "1.000000")),
            *(("s3", "captured", "-1.000000"), ("s4", "placed", "1.000000")),
            ("s4", "released", "-1.000000"),
        }
        await conn.close()
        conn = await asyncpg.connect(own)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("UPDATE payment.entries SET account = 'x'")
        await conn.close()


@asynccontextmanager
async def counted(desk: Desk) -> AsyncIterator[list[str]]:
    """The statements that are sent meanwhile."""
    sent: list[str] = []

    def note(_conn: Any, _cursor: Any, sql: str, *_: Any) -> None:
        sent.append(sql)

    event.listen(desk.db.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(desk.db.engine.sync_engine, "before_cursor_execute", note)


async def test_statements_of_each_request(desk: Desk, account: str, sql: Any) -> None:
    task, step, other = new_id(), new_id(), new_id()

    async def count(work: Any) -> int:
        async with counted(desk) as sent:
            await work
        return len(sent)

    hold = hold_of(step, task, Decimal(3), Decimal(50), "poet")
    assert await count(desk.hold(account, hold)) == 1
    await desk.complete(account, completed(task, step, "2"))
    payment = await payment_for(sql, step)
    # Twelve: it asks, under a lock, whether the pay is with the agent still or with its seller.
    assert await count(desk.refund(account, refund_of(payment, "0.5"))) == 12
    assert await count(desk.enter(account, entered(task, "1", max_budget="50"))) == 13
    assert await count(desk.receipt(account, task)) == 2
    # It counts the fault, and pays back.
    assert await count(desk.fail(account, failed(task, step))) == 13
    assert await count(desk.hold(account, hold_of(other, task, Decimal(1), Decimal(50), "a"))) == 1


async def captured_at_once(desk: Desk, account: str, many: int) -> int:
    """How many statements the captures of a group take."""
    task = new_id()
    steps = [new_id() for _ in range(many)]
    for step in steps:
        await desk.hold(account, hold_of(step, task, Decimal("0.5"), Decimal(50), "poet"))
    group = [
        Member("any", desk.here(account), completed(task, step, "0.3", external_cost="0.1"))
        for step in steps
    ]
    async with counted(desk) as sent, desk.db.transaction(desk.here(account)) as tx:
        await desk.captures._work(tx, group)
    states = await desk.rows("SELECT status FROM payment.holds WHERE task_id=$1", task)
    assert [row.status for row in states] == ["captured"] * many
    return len(sent)


async def test_a_group_of_captures_takes_as_many_statements_as_one(
    desk: Desk, account: str
) -> None:
    assert await captured_at_once(desk, account, 1) == 9
    assert await captured_at_once(desk, account, 20) == 9
    assert await desk.broken() == []
