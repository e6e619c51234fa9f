"""Rows by the million, written into a marketplace's tables while only its PostgreSQL runs.

All belongs to one account, as if it had made each call itself: ten steps a task, each paid; a
message and its answer for every two steps. The rules of the books hold: the lines of each transfer
add up to nothing, each hold is in the journal (the tables' triggers write its first line, we its
last), wallets and budgets hold the sums of their lines. `GET /api/ledger/check` is asked afterwards
whether that is so.
"""
# ruff: noqa: S608  (the parts are constants of this file; all values are parameters)

import asyncio
from pathlib import Path

import asyncpg

from bench.systems import database
from registry_svc import words

AT_ONCE = 25_000
ACCOUNT = "demo"

# $1 and $2: the first and the last number of a batch; $3: that of all.
_MADE = """
  SELECT n, md5('step' || n) AS id, md5('task' || n / 10) AS task,
    now() - ($3::bigint - n) * interval '10 ms' AS at
  FROM generate_series($1::bigint, $2::bigint) n
"""
STEPS = f"""
WITH made AS ({_MADE}), task AS (
  INSERT INTO task.tasks (id, account, user_query, required_skills, status, max_budget, total_cost,
    created_at, completed_at)
  SELECT task, '{ACCOUNT}', 'Wish ' || min(n), '{{}}', 'completed', 10, 0.01 * count(*), min(at),
    max(at) FROM made GROUP BY task
)
INSERT INTO task.steps (id, task_id, account, agent_id, skill, subtask_type, status, payload,
  max_budget, cause, cost, billed, result, execution_time, attempts, created_at, completed_at)
SELECT id, task, '{ACCOUNT}', 'summarizer', 'summarize', 'instant', 'completed',
  '{{"text": "The bells rang."}}', 10, '{{}}', 0.01, 0.01, 'done', 5, 1, at, at
FROM made ORDER BY n
"""
MONEY = f"""
WITH made AS ({_MADE}), held AS (
  INSERT INTO payment.holds
    (id, account, task_id, agent_id, asked, held, status, captured, created_at, resolved_at)
  SELECT id, '{ACCOUNT}', task, 'summarizer', 0.01, 0.01, 'captured', 0.01, at, at FROM made
), freed AS (
  INSERT INTO payment.hold_lines (hold_id, task_id, account, kind, amount, created_at)
  SELECT id, task, '{ACCOUNT}', 'captured', -0.01, at FROM made
), paid AS (
  INSERT INTO payment.bazaarbucks_payments
    (id, account, task_id, step_id, agent_id, amount, type, created_at)
  SELECT md5(id), '{ACCOUNT}', task, id, 'summarizer', 0.01, 'agent_payment', at FROM made
), budget AS (
  INSERT INTO payment.budgets (task_id, account, max_budget, captured)
  SELECT task, '{ACCOUNT}', 10, 0.01 * count(*) FROM made GROUP BY task
)
INSERT INTO payment.entries
  (transfer_id, account, kind, task_id, step_id, ledger_account, amount, created_at)
SELECT md5(id), '{ACCOUNT}', 'capture', task, id, line.name, line.amount, at
FROM made, (VALUES ('wallet:{ACCOUNT}', -0.01), ('agent:summarizer', 0.01)) AS line (name, amount)
"""
CHAT = f"""
WITH made AS ({_MADE}), wish AS (SELECT * FROM made WHERE n % 2 = 0), turn AS (
  INSERT INTO chat.turns (id, account, status, content, max_budget, task_id, round, orchestrator,
    task_begun, answer, cause, created_at, deadline_at)
  SELECT id, '{ACCOUNT}', 'done', 'Summarize: the bells rang.', 1, md5('of ' || id), 2, 'rules',
    true, 'done', '{{}}', at, at FROM wish
)
INSERT INTO chat.messages (id, account, turn_id, role, content, task_id, orchestrator, created_at)
SELECT md5(line.role || id), '{ACCOUNT}', id, line.role, line.content, md5('of ' || id), line.who,
  at
FROM wish, (VALUES
  (1, 'user', 'Summarize: the bells rang.', NULL), (2, 'assistant', 'done', 'rules')
) AS line (place, role, content, who)
ORDER BY n, line.place
"""
BALANCES = """
WITH sums AS (SELECT ledger_account AS id, sum(amount) AS posted FROM payment.entries GROUP BY 1)
INSERT INTO payment.ledger_accounts (id, posted) SELECT id, posted FROM sums
ON CONFLICT (id) DO UPDATE SET posted = excluded.posted
"""
AGENTS = """
INSERT INTO registry.agents (id, name, description, skills, capabilities, base_price, endpoint_url,
  info_known, available, failing_since, stars, next_probe_at, next_read_at)
SELECT 'agent-' || n, 'Agent ' || n, 'Knows craft ' || n, ARRAY['craft', 'craft ' || n], '{}',
  0.05 + n % 97 * 0.001, 'http://127.1.' || n / 250 || '.' || n % 250 || ':' || $2::int, true,
  true, NULL, 4 + n % 89 / 100.0, now() + n * interval '5 s' / $1::int,
  now() + n * interval '3600 s' / $1::int
FROM generate_series(0, $1::int - 1) n
"""
WORDS = """
INSERT INTO registry.agent_words (agent_id, word, available, base_price, stars)
SELECT id, unnest($2::text[]), true, base_price, stars FROM registry.agents WHERE id = $1
"""


def steps(home: Path, count: int) -> None:
    """Store so many steps, with their tasks, money and messages, in the data of a marketplace."""
    with database(home) as (dsn, _):
        asyncio.run(_steps(dsn, count))


def agents(home: Path, count: int, port: int) -> None:
    """List so many agents, each at an address of its own, all at one port.

    All have the skill `craft`, and each one of its own.
    """
    with database(home) as (dsn, _):
        asyncio.run(_agents(dsn, count, port))


def hosts(count: int) -> str:
    """The hosts of so many agents, for AGENT_HOSTS; of 10,000 just what the system lets pass."""
    return ",".join(f"127.1.{n // 250}.{n % 250}" for n in range(count))


async def _steps(dsn: str, count: int) -> None:
    conn = await asyncpg.connect(dsn)
    for first in range(0, count, AT_ONCE):
        last = min(first + AT_ONCE, count) - 1
        for sql in (STEPS, MONEY, CHAT):
            await conn.execute(sql, first, last, count)
    await conn.execute(BALANCES)
    await conn.execute("VACUUM ANALYZE")
    await conn.close()


async def _agents(dsn: str, count: int, port: int) -> None:
    conn = await asyncpg.connect(dsn)
    await conn.execute(AGENTS, count, port)
    said = await conn.fetch(
        "SELECT id, name, skills, capabilities, description FROM registry.agents"
        " WHERE id LIKE 'agent-%'"
    )
    await conn.executemany(WORDS, [(one["id"], words.of_agent(*one.values())) for one in said])
    await conn.execute("VACUUM ANALYZE")
    await conn.close()
