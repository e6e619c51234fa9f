"""No query that is run again and again reads a table that grows from end to end."""

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from chassis.db.database import Database, async_url
from chassis.handling.inbox import forget_handled
from chat_svc import store as chat
from chat_svc import store_aging as chat_aging
from chat_svc import store_rounds
from chat_svc import store_standing as waiting_turns
from contracts.listings import Filters, Sorting
from payment_svc.cards import store as store_cards
from payment_svc.cards import store_reversals, store_tab
from payment_svc.check import store as store_check
from payment_svc.check import store_standing as asked_of
from payment_svc.ledger import store_announcing
from payment_svc.ledger import store_payments as payment
from payment_svc.spending import store as spending
from payment_svc.spending import store_approvals as approvals
from registry_svc import store as registry
from registry_svc import store_finding as finding
from registry_svc import store_owned as owned
from registry_svc import store_probes as probes
from registry_svc.store_finding import Place
from task_svc import store as task
from task_svc import store_aging as task_aging
from task_svc import store_cancelling as cancelling
from task_svc import store_leases as leases
from task_svc import store_lists as task_lists
from task_svc import store_places as places
from task_svc import store_standing as standing
from tests.support.stack import CONTEXTS, Stack

# Rows are as wide as real ones: what reading all of a table costs is how many pages it has.
HISTORY = {
    "registry": """
        INSERT INTO agents (id, name, name_keys, description, skills, capabilities, base_price,
          endpoint_url, owner, state, available, next_probe_at, next_read_at, stars)
        SELECT 'r' || n, 'R', ARRAY['r' || n], repeat('d', 900), '{}', '{}', n % 100,
          'http://a', 'a' || n % 40,
          CASE WHEN n % 2 = 0 THEN 'active' ELSE 'suspended' END, n % 4 = 0,
          now() + n * interval '1s', now() + n * interval '1s', 4 + n % 100 / 100.0
        FROM generate_series(1, 10000) n;
        INSERT INTO agent_probes (agent_id, due_at)
        SELECT 'r' || n, now() + n * interval '1s' FROM generate_series(1, 10000) n;
        INSERT INTO agent_words (agent_id, word, available, base_price, stars)
        SELECT 'r' || n, word, n % 4 = 0, n % 100, 4 + n % 100 / 100.0
        FROM generate_series(1, 10000) n, unnest(ARRAY['common', 'rare' || n % 1000]) word;
    """,
    "payment": """
        INSERT INTO bazaarbucks_payments
          (id, account, task_id, step_id, agent_id, amount, type, created_at)
        SELECT 'p' || n, 'a' || n % 40, 't', 's', 'a', 1, 'agent_payment', now() - n * interval '1s'
        FROM generate_series(1, 5000) n;
        INSERT INTO stripe_payments
          (id, account, agent_id, vendor, amount, status, type, rail, created_at, intent_id,
           next_attempt_at, look_at, on_tab, charged_with, asked_id)
        SELECT 'p' || n, 'a' || n % 40, 'a', 'v', 1,
          CASE WHEN n % 100 = 0 THEN 'pending' ELSE 'completed' END, 'card_spend', 'simulated',
          now() - n * interval '1s', 'pi' || n,
          CASE WHEN n % 200 = 0 THEN now() END, now() - n * interval '1s', n % 100 = 1,
          CASE WHEN n % 200 = 1 THEN 'p' || n END, CASE WHEN n % 10 = 0 THEN 'x' || n END
        FROM generate_series(1, 5000) n;
        INSERT INTO card_reversals
          (id, intent_id, kind, amount, taken, rank, told_at, received_at)
        SELECT 'r' || n, 'pi' || n, 'refund', 1, true, 1, n, now() - n * interval '1 day'
        FROM generate_series(1, 5000) n;
        INSERT INTO holds (id, account, task_id, agent_id, asked, held, status, created_at, spender)
        SELECT 'h' || n, 'a' || n % 40, 't' || n, 'a', 0, 0,
          CASE WHEN n % 100 = 0 THEN 'held' ELSE 'captured' END, now() - n * interval '1s',
          CASE WHEN n % 2 = 0 THEN 's' || n % 80 END
        FROM generate_series(1, 5000) n;
        INSERT INTO approvals (step_id, account, task_id, agent_id, spender, amount, created_at,
          expires_at)
        SELECT 's' || n, 'a' || n % 400, 't', 'a', 's2', 1, now() - n * interval '1s', now()
        FROM generate_series(1, 5000) n;
        INSERT INTO spenders (id, account, kind, hash, scopes, most, created_at)
        SELECT 's' || n, 'a' || n % 40, CASE WHEN n % 3 = 0 THEN 'key' ELSE 'session' END, 'x',
          '{}', 1, now() - n * interval '1s'
        FROM generate_series(1, 5000) n;
    """,
    "task": """
        INSERT INTO tasks (id, account, user_query, required_skills, status, max_budget, created_at)
        SELECT 't' || n, 'a' || n % 40, 'q', '{}', 'completed', 1, now() - n * interval '1s'
        FROM generate_series(1, 5000) n;
        UPDATE tasks SET status = 'in_progress', turn_id = 'u' WHERE right(id, 2) = '00';
        INSERT INTO steps (id, task_id, account, agent_id, skill, subtask_type, status, payload,
          max_budget, cause, waits_for, completed_at)
        SELECT 's' || n, 't' || n % 50, 'a', 'a', 's', 's',
          CASE WHEN n % 100 = 0 THEN 'pending' ELSE 'completed' END,
          jsonb_build_object('text', repeat('p', 900)), 1, '{}', n % 200,
          CASE WHEN n % 100 <> 0 THEN now() - n * interval '1s' END
        FROM generate_series(1, 5000) n;
    """,
    "chat": """
        INSERT INTO messages (id, account, turn_id, role, content, task_id)
        SELECT 'm' || n, 'a' || n % 40, 't' || n, 'assistant', 'hello', 't' || n % 80
        FROM generate_series(1, 5000) n;
        INSERT INTO turns (id, account, status, content, max_budget, task_id, cause, deadline_at,
          result, created_at)
        SELECT 't' || n, 'a' || n % 40, CASE WHEN n % 100 = 0 THEN 'thinking' ELSE 'done' END,
          repeat('q', 900), 1, 't' || n, '{}', now() - n * interval '1s', 'done',
          now() - n * interval '1s'
        FROM generate_series(1, 5000) n;
        INSERT INTO rounds (turn_id, round, text, model)
        SELECT 't' || n / 3, n % 3, 'hello', 'm' FROM generate_series(1, 5000) n;
        INSERT INTO calls (turn_id, id, round, place, tool, input)
        SELECT 't' || n / 3, n::text, n % 3, 0, 'get_task', '{}' FROM generate_series(1, 5000) n;
    """,
}
THEN = datetime.now(UTC) - timedelta(seconds=2_500)
Query = Callable[[AsyncConnection], Awaitable[Any]]
TURN: Any = SimpleNamespace(id="t1", account="a1", task_id="t41", created_at=datetime.now(UTC))
STEP: Any = SimpleNamespace(id="s1", task_id="t1")


def candidates(words: list[str]) -> Query:
    return lambda c: finding.candidates(c, words, ["r4"], 100, Decimal(90), away=True)


ANY = Filters()
BEHIND = Place(Decimal(50), 5_000)


def found(
    words: list[str], sort: Sorting = "oldest", after: Place | None = None, **more: Any
) -> Query:
    owner = (more["owner"], True) if "owner" in more else None
    return lambda c: finding.page(c, ANY, words, owner, sort, after, 100)


QUERIES: list[tuple[str, str, Query]] = [
    ("registry", "page of agents", lambda c: registry.page(c, 0, 100)),
    ("registry", "later page of agents", lambda c: registry.page(c, 5_000, 100)),
    ("registry", "agents by price", found([], "price")),
    ("registry", "more agents by price", found([], "price", BEHIND)),
    ("registry", "agents by rating", found([], "rating")),
    ("registry", "newest agents", found([], "newest", BEHIND)),
    ("registry", "agents of an owner", found([], owner="a1")),
    ("registry", "agents by a rare word", found(["rare7"])),
    ("registry", "agents by a common word", found(["common"])),
    ("registry", "agents by both", found(["common", "rare7"], "price")),
    ("registry", "candidates of a crowd", candidates(["common"])),
    (
        "registry",
        "candidates for many words",
        candidates(["common", *(f"rare{n}" for n in range(20))]),
    ),
    ("registry", "agents to probe", lambda c: probes.claim_due(c, timedelta(5), 16)),
    ("registry", "agents to read", lambda c: owned.claim_unread(c, timedelta(5), 8)),
    ("registry", "who has a name", lambda c: owned.name_taken(c, ["r7", "r8"], "nobody")),
    ("registry", "agents to suspend", lambda c: owned.open_of(c, "a2", 100)),
    ("registry", "agents from a place", lambda c: owned.imported_from(c, "a1", "http://b")),
    (
        "payment",
        "page of payments",
        lambda c: payment.page_of(c, "bazaarbucks", "a1", 100, None),
    ),
    (
        "payment",
        "later page of payments",
        lambda c: payment.page_of(c, "bazaarbucks", "a1", 100, (THEN, "p")),
    ),
    (
        "payment",
        "later page of card payments",
        lambda c: payment.page_of(c, "stripe", "a1", 100, (THEN, "p")),
    ),
    ("payment", "holds to ask after", lambda c: asked_of.claim_open(c, 30, 50)),
    ("payment", "holds that stand", lambda c: store_check.broken_standing(c, 300)),
    ("payment", "a credential's day", lambda c: spending.today(c, "s2")),
    ("payment", "a credential's task", lambda c: spending.in_task(c, "s2", "t2")),
    ("payment", "page of keys", lambda c: spending.page(c, "key", None, 100, None)),
    (
        "payment",
        "later page of sessions",
        lambda c: spending.page(c, "session", "a1", 9, (THEN, "s")),
    ),
    ("payment", "page of approvals", lambda c: approvals.page(c, "a1", 9, (THEN, "s"))),
    ("payment", "what was approved", lambda c: approvals.approved(c, "s2", "s2")),
    ("payment", "an approval settled", lambda c: approvals.settle(c, "s2", "over")),
    ("payment", "credentials revoked", lambda c: spending.close_all(c, "a2")),
    ("payment", "a credential revoked", lambda c: spending.close(c, "s2", "session", "a2")),
    ("task", "tasks to ask after", lambda c: standing.claim_unended(c, 30, 50)),
    ("task", "how steps stand", lambda c: standing.statuses_of_steps(c, ["s1", "s2"])),
    ("task", "how tasks stand", lambda c: standing.statuses_of_tasks(c, ["t1", "t2"])),
    ("task", "what a task was ordered with", lambda c: standing.last_cause(c, "t1")),
    ("task", "what was heard", lambda c: standing.handled(c, "d", ["m1", "m2"])),
    ("payment", "what was not heard", lambda c: store_announcing.claim_unheard(c, 30, 50)),
    ("task", "steps that callers wait for", lambda c: standing.awaited(c, ["r1", "r2"])),
    ("task", "places of an agent", lambda c: places.in_hand(c, "a")),
    ("task", "steps in hand", lambda c: standing.running(c, ["a", "b"])),
    ("payment", "payment of a name", lambda c: payment.find_payment(c, "p41", "a1")),
    ("payment", "card payment of a name", lambda c: store_cards.find_own(c, "a10", "x10")),
    ("payment", "card payments that are due", lambda c: store_cards.claim_due(c, 10)),
    ("payment", "card payments to look at", lambda c: store_cards.claim_waiting(c, 10)),
    ("payment", "card payment at Stripe", lambda c: store_reversals.payment_of(c, "pi7")),
    ("payment", "what Stripe told of it", lambda c: store_reversals.known_of(c, "pi7")),
    ("payment", "what is charged for a purchase", lambda c: store_tab.total(c, "p201")),
    ("payment", "what waits to be charged", lambda c: store_tab.carry(c, "p7")),
    ("task", "page of tasks", lambda c: task_lists.page_of_tasks(c, "a1", 100, None)),
    ("task", "later page of tasks", lambda c: task_lists.page_of_tasks(c, "a1", 100, (THEN, "t"))),
    ("task", "page of steps", lambda c: task_lists.page_of_steps(c, "t1", 100, None)),
    ("task", "steps to run", lambda c: leases.claim(c, "me", 10, 5)),
    ("task", "bill", lambda c: task.bill_of(c, "t1")),
    ("task", "steps to strip", lambda c: task_aging.strip_steps(c, 0, 50)),
    ("task", "open steps", lambda c: task.open_steps_of(c, "t0")),
    ("task", "steps that ended", lambda c: cancelling.ended_of(c, ["s1", "s2", "s100"])),
    ("task", "waiting steps", lambda c: task.free_dependents(c, "t1", "s1")),
    ("task", "newest try", lambda c: task.last_try(c, STEP)),
    ("chat", "page of messages", lambda c: chat.page_of_messages(c, "a1", 100, None)),
    ("chat", "later page of messages", lambda c: chat.page_of_messages(c, "a1", 100, 2_500)),
    ("chat", "messages of a task", lambda c: chat.page_of_messages(c, "a1", 100, None, "t1")),
    ("chat", "messages to forget", lambda c: chat.delete_messages(c, "a1", "t1")),
    ("chat", "turns to forget", lambda c: chat.forget_turns(c, "a1", "t41")),
    ("chat", "newest turn of a task", lambda c: chat.last_turn_of(c, "a1", "t41")),
    ("chat", "open turn of a task", lambda c: chat.is_open(c, "a1", "t41")),
    ("chat", "overdue turns", lambda c: chat.overdue_turns(c, 10)),
    ("chat", "turns to ask after", lambda c: waiting_turns.claim_open(c, 30, 5)),
    ("chat", "a turn that moved", lambda c: waiting_turns.moved_lately(c, TURN, 100)),
    ("chat", "turn to put off", lambda c: chat.put_off(c, "t1", 60)),
    ("chat", "turn to give up", lambda c: chat.give_up(c, "t1", "why")),
    ("chat", "turns to be forgotten", lambda c: chat.forgotten_turns(c, 10)),
    ("chat", "turns that are forgotten", lambda c: chat.all_forgotten(c, ["t1"])),
    ("chat", "answer of a turn", lambda c: chat.answer_of(c, "t1")),
    ("chat", "history", lambda c: chat.history(c, TURN, 50, only_task=False)),
    ("chat", "history of a task", lambda c: chat.history(c, TURN, 50, only_task=True)),
    ("chat", "moves of turns", lambda c: store_rounds.moves_of(c, "t1", ["t2"])),
    ("chat", "calls of a turn", lambda c: store_rounds.calls_of(c, "t1")),
    ("chat", "tokens of a turn", lambda c: store_rounds.tokens_of(c, "t1")),
    ("chat", "weight of a turn", lambda c: store_rounds.end_turn(c, "t1", status="done")),
    ("chat", "turns to strip", lambda c: chat_aging.strip_turns(c, 0, 20)),
    ("chat", "moves to forget", lambda c: store_rounds.forget_rounds(c, ["t1"])),
]


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """A plan's nodes, from the top."""
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]


async def plans_of(conn: AsyncConnection, query: Query) -> list[dict[str, Any]]:
    """What PostgreSQL did for the statements of a query, node by node."""
    asked: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, params: Any, *_: Any) -> None:
        asked.append((statement, params))

    event.listen(conn.sync_connection, "before_cursor_execute", note)
    await query(conn)
    event.remove(conn.sync_connection, "before_cursor_execute", note)
    assert asked
    found = []
    for statement, params in asked:
        told = await conn.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", params)
        plan = told.scalar_one()
        found += nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
    return found


@pytest.fixture(scope="module")
async def busy(stack: Stack) -> AsyncIterator[dict[str, AsyncConnection]]:
    """A transaction of each context that sees a long history, and that nobody ever commits."""
    async with contextlib.AsyncExitStack() as until_then:
        found = {}
        for context in CONTEXTS:
            engine = create_async_engine(async_url(stack.owner_url(context)))  # Who may ANALYZE.
            until_then.push_async_callback(engine.dispose)
            conn = await until_then.enter_async_context(engine.connect())
            for statement in HISTORY[context].split(";")[:-1]:
                await conn.exec_driver_sql(statement)
            await conn.exec_driver_sql("ANALYZE")
            found[context] = conn
        yield found


@pytest.mark.parametrize(
    ("context", "query"),
    [pytest.param(context, query, id=name) for context, name, query in QUERIES],
)
async def test_a_query_reads_little_more_than_it_returns(
    busy: dict[str, AsyncConnection], context: str, query: Query
) -> None:
    async with busy[context].begin_nested() as what_it_did:
        plan = await plans_of(busy[context], query)
        await what_it_did.rollback()
    for node in plan:
        assert node["Node Type"] not in ("Seq Scan", "Bitmap Heap Scan") or (
            node.get("Actual Rows", 0) + node.get("Rows Removed by Filter", 0) <= 200
        ), node
        assert node.get("Rows Removed by Filter", 0) * node.get("Actual Loops", 1) <= 200, node
        assert node["Node Type"] != "Sort" or node["Actual Rows"] <= 200, node


@pytest.mark.parametrize("context", CONTEXTS)
async def test_forgetting_old_messages_reads_only_them(stack: Stack, context: str) -> None:
    import importlib

    metadata = importlib.import_module(f"{context}_svc.tables").metadata
    db = Database(stack.database_url(context), metadata, pool=2, relay_workers=1)
    async with db.engine.begin() as conn:
        await conn.exec_driver_sql(
            "INSERT INTO inbox (consumer, message_id, handled_at) SELECT 'test', 'm' || n,"
            " now() - CASE WHEN n <= 7 THEN interval '32 days' ELSE interval '30 days' END"
            " FROM generate_series(1, 5000) n"
        )
    # However many there are: three at a time, until none is left.
    assert await forget_handled(db.engine, context, at_most=3) == 7
    assert await forget_handled(db.engine, context) == 0
    async with db.engine.begin() as conn:
        kept = await conn.exec_driver_sql("DELETE FROM inbox WHERE consumer = 'test'")
        assert kept.rowcount == 5_000 - 7
    await db.engine.dispose()
