"""Lists of payments: newest first, page by page, one account's alone, and never slow."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event

from chassis.bus.envelopes import new_id
from chassis.db.pages import encode_cursor
from chassis.service import Service
from contracts.errors import Invalid
from contracts.payment import LIST_BAZAARBUCKS, LIST_STRIPE, ListBazaarBucks, ListStripe
from payment_svc.ledger import store_payments
from tests.payment.conftest import NewCustomer
from tests.payment.helpers import Customer, completed
from tests.support.stack import Stack, connected

LISTS = [(LIST_BAZAARBUCKS, ListBazaarBucks), (LIST_STRIPE, ListStripe)]


async def fill(sql: "asyncpg.Pool[Any]", account: str, count: int) -> list[str]:
    """Records of both kinds, several at the same moment; their ids, newest first."""
    start = datetime.now(UTC) - timedelta(days=1)
    found = [(start + timedelta(seconds=n // 4), f"{n % 4}-{new_id()[:20]}") for n in range(count)]
    await sql.executemany(
        "INSERT INTO bazaarbucks_payments"
        " (id, account, task_id, step_id, agent_id, amount, type, created_at)"
        " VALUES ($1, $2, 'of-a-list', $1, 'a', 0.5, 'agent_payment', $3)",
        [(id_, account, at) for at, id_ in found],
    )
    await sql.executemany(
        "INSERT INTO stripe_payments (id, account, agent_id, vendor, amount, status, type, rail,"
        " created_at) VALUES ($1, $2, 'a', 'v', 0.5, 'completed', 'card_spend', 'simulated', $3)",
        [(id_, account, at) for at, id_ in found],
    )
    return [id_ for _, id_ in sorted(found, reverse=True)]


@pytest.fixture
async def stranger(customer: NewCustomer, stack: Stack) -> Any:
    """An account with records that no hold stands behind; they go before the books are checked."""
    buyer = await customer("0")
    yield buyer
    async with connected(stack.owner_url("payment")) as owner:
        for table in ("bazaarbucks_payments", "stripe_payments"):
            await owner.execute(f"DELETE FROM {table} WHERE account = $1", buyer.account)  # noqa: S608  (our own words)


@pytest.mark.parametrize(("call", "request_of"), LISTS)
async def test_a_list_is_paged_without_gaps_or_repeats(
    stranger: Customer, sql: "asyncpg.Pool[Any]", call: Any, request_of: Any
) -> None:
    ids = await fill(sql, stranger.account, 103)
    for limit in (1, 7, 100, 103, 500):
        seen: list[str] = []
        cursor = None
        while True:
            page = await stranger.ask(call, request_of(limit=limit, cursor=cursor))
            seen += [payment.id for payment in page.payments]
            cursor = page.next_cursor
            if cursor is None:
                break
            assert len(page.payments) == limit
        assert seen == ids


@pytest.mark.parametrize(("call", "request_of"), LISTS)
async def test_a_list_is_of_a_hundred_unless_told(
    stranger: Customer, sql: "asyncpg.Pool[Any]", call: Any, request_of: Any
) -> None:
    ids = await fill(sql, stranger.account, 101)
    page = await stranger.ask(call, request_of())
    assert [payment.id for payment in page.payments] == ids[:100]
    await fill(sql, stranger.account, 3)  # What comes in between does not shift the next page.
    rest = await stranger.ask(call, request_of(cursor=page.next_cursor))
    assert ids[100] in [payment.id for payment in rest.payments]
    assert not {payment.id for payment in rest.payments} & set(ids[:100])


@pytest.mark.parametrize(("call", "request_of"), LISTS)
async def test_a_list_shows_one_accounts_payments_alone(
    stranger: Customer, customer: NewCustomer, sql: "asyncpg.Pool[Any]", call: Any, request_of: Any
) -> None:
    ids = await fill(sql, stranger.account, 3)
    buyer, task = await customer("10"), new_id()
    step = await buyer.hold("2", task=task)
    await buyer.told(completed(task, step, "1", external_cost="1"))
    mine = (await buyer.ask(call, request_of())).payments
    assert [payment.amount for payment in mine] == [Decimal(1)]
    theirs = (await stranger.ask(call, request_of())).payments
    assert [payment.id for payment in theirs] == ids
    # Nor does a cursor open another account's list.
    foreign = encode_cursor(datetime.now(UTC).isoformat(), ids[0])
    again = await buyer.ask(call, request_of(cursor=foreign))
    assert {payment.id for payment in again.payments} <= {payment.id for payment in mine}


@pytest.mark.parametrize(("call", "request_of"), LISTS)
@pytest.mark.parametrize("limit", [0, -1, 501, 10**30])
async def test_a_limit_out_of_bounds_is_refused(
    stranger: Customer, call: Any, request_of: Any, limit: int
) -> None:
    with pytest.raises(Invalid, match="limit: "):
        await stranger.ask(call, request_of.model_construct(limit=limit, cursor=None))


@pytest.mark.parametrize(("call", "request_of"), LISTS)
@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "nonsense",
        "a" * 200,
        encode_cursor("2024-01-01T00:00:00+00:00"),
        encode_cursor("2024-01-01T00:00:00+00:00", "id", "more"),
        encode_cursor("yesterday", "id"),
        encode_cursor("2024-01-01T00:00:00", "id"),
        encode_cursor("0001-01-01T00:00:00+23:59", "id"),
        encode_cursor("9999-12-31T23:59:59-23:59", "id"),
    ],
)
async def test_a_cursor_that_is_not_ours_is_refused(
    stranger: Customer, call: Any, request_of: Any, cursor: str
) -> None:
    with pytest.raises(Invalid, match="cursor"):
        await stranger.ask(call, request_of(cursor=cursor))


@pytest.mark.parametrize("rail", ["bazaarbucks", "stripe"])
async def test_a_page_reads_only_what_it_shows(
    stack: Stack, payment: Service, stranger: Customer, sql: "asyncpg.Pool[Any]", rail: Any
) -> None:
    """However long the list: the plan is one walk along an index, with nothing to sort."""
    ids = await fill(sql, stranger.account, 5_000)
    asked: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, params: Any, *_: Any) -> None:
        asked.append((statement, params))

    async with connected(stack.owner_url("payment")) as owner:
        await owner.execute(f"ANALYZE payment.{rail}_payments")
    async with payment.database.engine.connect() as conn:
        first = await store_payments.page_of(conn, rail, stranger.account, 100, None)
        middle = (first[-1].created_at, first[-1].id)
        event.listen(conn.sync_connection, "before_cursor_execute", note)
        for before in (None, middle):
            rows = await store_payments.page_of(conn, rail, stranger.account, 100, before)
            assert len(rows) == 101
        event.remove(conn.sync_connection, "before_cursor_execute", note)
        assert [row.id for row in rows][:100] == ids[101:201]
        for statement, params in asked:
            explained = await conn.exec_driver_sql(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", params
            )
            plan = explained.scalar_one()
            plan = json.loads(plan) if isinstance(plan, str) else plan
            assert all(
                "Index" in node["Node Type"] and node.get("Rows Removed by Filter", 0) < 10
                for node in nodes(plan[0]["Plan"])
                if node["Node Type"] != "Limit"
            ), plan


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """A plan's nodes, from the top."""
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]
