"""The journal of holds, and the check that reads only what moved since its last checkpoint."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from chassis.bus.envelopes import new_id
from contracts.ledger import LIST_ENTRIES, EntryView, ListEntries
from payment_svc.app import build
from payment_svc.check import checks
from payment_svc.check import store as store_check
from payment_svc.check.rules import RULES
from payment_svc.ledger.wallets import open_wallet
from tests.payment.books_helpers import Desk, hold_of
from tests.payment.conftest import NewCustomer, payment_settings
from tests.payment.helpers import Customer, completed, failed
from tests.support.stack import new_stack


async def journal(buyer: Customer, task: str, **page: Any) -> list[EntryView]:
    request = ListEntries(ledger_account=f"hold:{task}", **page)
    return (await buyer.ask(LIST_ENTRIES, request)).entries


async def test_each_movement_of_a_hold_is_a_line(customer: NewCustomer) -> None:
    buyer, task = await customer("20"), new_id()
    step = await buyer.hold("2", task=task)
    await buyer.extend(step, "3")
    await buyer.told(completed(task, step, "1.5", external_cost="0.5"))
    lost = await buyer.hold("4", task=task)
    other = await buyer.hold("5", task=task, replaces=lost)
    await buyer.told(failed(task, other))
    await buyer.hold("0", task=task)  # Nothing moves.
    lines = await journal(buyer, task)
    shown = [(str(line.step_id), line.kind, int(line.amount)) for line in reversed(lines)]
    assert shown[:4] == [
        (step, "placed", 2),
        (step, "extended", 1),
        (step, "captured", -2),
        (step, "released", -1),
    ]
    # One statement places and releases: the order of these two lines means nothing.
    assert set(shown[4:]) == {
        (lost, "placed", 4),
        (lost, "released", -4),
        (other, "placed", 5),
        (other, "released", -5),
    }
    assert {line.ledger_account for line in lines} == {f"hold:{task}"}
    assert sum(line.amount for line in lines) == 0


async def test_the_journal_is_paged_and_its_owners_alone(customer: NewCustomer) -> None:
    buyer, stranger, task = await customer("20"), await customer("20"), new_id()
    for _ in range(5):
        await buyer.hold("1", task=task)
    first = await buyer.ask(LIST_ENTRIES, ListEntries(ledger_account=f"hold:{task}", limit=3))
    assert first.next_cursor is not None
    rest = await journal(buyer, task, cursor=first.next_cursor)
    assert len({line.id for line in [*first.entries, *rest]}) == 5
    assert await journal(stranger, task) == await journal(buyer, new_id()) == []


@pytest.mark.usefixtures("payment")
@pytest.mark.parametrize("table", ["hold_lines", "checkpoints", "checkpoint_sums"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET {}", "DELETE FROM {}", "TRUNCATE {}"])
async def test_what_was_written_cannot_be_rewritten(
    sql: "asyncpg.Pool[Any]", table: str, statement: str
) -> None:
    column = "posted = 0" if table == "checkpoint_sums" else "created_at = now()"
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=table):
        await sql.execute(statement.format(table, column))


@pytest.fixture(scope="module")
async def desk() -> AsyncIterator[Desk]:
    """The handlers on books of their own, to which nobody else adds a checkpoint."""
    async with new_stack() as stack:
        config = payment_settings(stack)
        service = build(config)
        yield Desk(service, config)
        await service.database.engine.dispose()


async def buys(desk: Desk, account: str, many: int) -> None:
    """Steps that are paid; each is two lines of the ledger."""
    task = new_id()
    for step in [new_id() for _ in range(many)]:
        await desk.hold(account, hold_of(step, task, Decimal("0.2"), Decimal(50), "poet"))
        await desk.complete(account, completed(task, step, "0.1"))


async def wallet(desk: Desk, grant: int = 100) -> str:
    account = new_id()
    assert await open_wallet(desk.db, account, Decimal(grant))
    return account


async def test_what_a_checkpoint_covers_is_not_read_again(desk: Desk) -> None:
    account = await wallet(desk)
    await buys(desk, account, 5)
    await checks.work(desk.db, stride=10)
    before = await desk.checked()
    assert (before.ok, before.full, before.checked, before.pending) == (True, False, 0, 0)
    assert before.verified >= 12
    await buys(desk, account, 2)
    await checks.work(desk.db, stride=10)  # Not enough for another one.
    lately = await desk.checked()
    assert (lately.ok, lately.verified, lately.checked) == (True, before.verified, 4)
    everything = await desk.checked(full=True)
    assert (everything.ok, everything.verified) == (True, 0)
    assert everything.checked == lately.verified + lately.checked


async def test_a_balance_that_is_not_its_lines_is_found_behind_a_checkpoint(desk: Desk) -> None:
    account = await wallet(desk)
    await buys(desk, account, 3)
    await checks.work(desk.db, stride=1)
    async with desk.db.transaction() as tx:
        await store_check.at_one_moment(tx.conn)
        await tx.conn.exec_driver_sql(
            "UPDATE payment.ledger_accounts SET posted = posted + 1 WHERE id = $1",
            (f"wallet:{account}",),
        )
        broken = await store_check.broken_lately(tx.conn, await store_check.recent(tx.conn))
        assert broken["each balance is the sum of its lines"] == 1
        await tx.conn.rollback()


async def test_the_full_check_finds_a_checkpoint_that_is_wrong(desk: Desk) -> None:
    account = await wallet(desk)
    await checks.work(desk.db, stride=1)
    async with desk.db.transaction() as tx:
        await tx.conn.exec_driver_sql(
            "INSERT INTO payment.checkpoint_sums"
            " SELECT $1, max(id) + 1, 7 FROM payment.checkpoints",
            (f"wallet:{account}",),
        )
        assert (await store_check.broken_rules(tx.conn))[store_check.CHECKPOINT_RULE] == 1
        await tx.conn.rollback()


async def test_wrong_books_get_no_checkpoint(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await checks.work(desk.db, stride=1)
    await wallet(desk)
    monkeypatch.setitem(RULES, "nothing available is negative", "SELECT 1")
    before = await desk.checked()
    assert not before.ok
    await checks.work(desk.db, stride=1)
    assert (await desk.checked()).verified == before.verified


async def test_a_long_history_is_taken_in_parts(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await checks.work(desk.db, stride=1)
    await buys(desk, await wallet(desk), 6)
    monkeypatch.setattr(store_check, "AT_MOST", 5)
    part = await desk.checked()
    assert (part.ok, part.checked) == (True, 5)
    assert part.pending > 0
    await checks.work(desk.db, stride=1)
    rest = await desk.checked()
    assert (rest.ok, rest.pending, rest.checked) == (True, 0, 0)
    assert await desk.broken() == []


async def test_a_line_that_is_committed_late_is_not_passed_over(desk: Desk) -> None:
    account = await wallet(desk)
    await checks.work(desk.db, stride=1)
    before = await desk.checked()
    async with desk.db.transaction() as late:
        await late.conn.exec_driver_sql(
            "UPDATE payment.ledger_accounts SET held = held WHERE id = $1", (f"wallet:{account}",)
        )
        await late.conn.exec_driver_sql("SELECT nextval('payment.entries_id_seq')")
        await wallet(desk)  # Its lines have later numbers, and are there.
        working = asyncio.create_task(checks.work(desk.db, stride=1))
        await asyncio.sleep(0.1)
        assert not working.done()
        assert (await desk.checked()).verified == before.verified
    await working
    assert (await desk.checked()).verified > before.verified


async def test_replicas_at_once_add_one_checkpoint(desk: Desk) -> None:
    await checks.work(desk.db, stride=1)
    await wallet(desk)
    await asyncio.gather(*(checks.work(desk.db, stride=1) for _ in range(4)))
    ends = await desk.rows("SELECT entries_to FROM payment.checkpoints")
    assert len({row.entries_to for row in ends}) == len(ends)
    assert await desk.broken() == []
