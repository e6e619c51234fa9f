"""SQL of the check: the rules of the books, each as a query that finds what breaks it.

A rule reads all of the books, or only what moved since the last checkpoint: the same query over
other tables. What it reads is filled in for the words in braces.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from payment_svc.check.rules import RULES

EVERYTHING = {
    "entries": "payment.entries",
    "transfers": "payment.entries",
    "holds": "payment.holds",
    "task_holds": "payment.holds",
    "hold_lines": "payment.hold_lines",
    "budgets": "payment.budgets",
    "payments": "payment.bazaarbucks_payments",
    "cards": "payment.stripe_payments",
    "returns": "payment.top_up_returns",
    "spenders": "payment.spenders",
    "earnings": "payment.earnings",
    "settled": "(SELECT * FROM payment.earnings WHERE transfer_id IS NOT NULL)",
    "payouts": "payment.payouts",
    "receipts": "payment.machine_receipts",
    "outside": "payment.machine_payments",
    "balances": """
        (SELECT ledger_account AS id, sum(amount) AS posted FROM payment.entries GROUP BY 1)""",
}
_LATEST_SUM = """
    LATERAL (SELECT posted FROM payment.checkpoint_sums s WHERE s.ledger_account = {account}
             ORDER BY s.checkpoint_id DESC LIMIT 1) latest"""
RECENT = {
    "entries": "(SELECT * FROM payment.entries WHERE step_id = ANY(:steps))",
    "transfers": "(SELECT * FROM payment.entries WHERE transfer_id = ANY(:transfers))",
    "holds": "(SELECT * FROM payment.holds WHERE id = ANY(:steps))",
    "task_holds": "(SELECT * FROM payment.holds WHERE task_id = ANY(:tasks))",
    "hold_lines": "(SELECT * FROM payment.hold_lines WHERE task_id = ANY(:tasks))",
    "budgets": "(SELECT * FROM payment.budgets WHERE task_id = ANY(:tasks))",
    "payments": "(SELECT * FROM payment.bazaarbucks_payments WHERE step_id = ANY(:steps))",
    "cards": "(SELECT * FROM payment.stripe_payments WHERE step_id = ANY(:steps))",
    "spenders": """
        (SELECT * FROM payment.spenders WHERE id IN (
           SELECT spender FROM payment.holds WHERE id = ANY(:steps) AND spender IS NOT NULL))""",
    "returns": "(SELECT * FROM payment.top_up_returns WHERE transfer_id = ANY(:transfers))",
    "earnings": "(SELECT * FROM payment.earnings WHERE step_id = ANY(:steps))",
    "settled": "(SELECT * FROM payment.earnings WHERE transfer_id = ANY(:transfers))",
    "payouts": "(SELECT * FROM payment.payouts WHERE id = ANY(:steps))",
    "receipts": "(SELECT * FROM payment.machine_receipts WHERE id = ANY(:steps))",
    "outside": "(SELECT * FROM payment.machine_payments WHERE hold_id = ANY(:steps))",
    "balances": f"""
        (SELECT id, sum(posted) AS posted FROM (
           SELECT a.id, latest.posted FROM payment.ledger_accounts a
           CROSS JOIN {_LATEST_SUM.format(account="a.id")}
           UNION ALL
           SELECT ledger_account, sum(amount) FROM payment.entries WHERE id > :after GROUP BY 1
         ) AS parts GROUP BY 1)""",  # noqa: S608  (our own words)
}
CHECKPOINT_RULE = "the latest checkpoint is the sum of its lines"
_CHECKPOINT_QUERY = f"""
    SELECT e.id FROM (
      SELECT ledger_account AS id, sum(amount) AS posted FROM payment.entries
      WHERE id <= (SELECT entries_to FROM payment.checkpoints ORDER BY id DESC LIMIT 1) GROUP BY 1
    ) e LEFT JOIN {_LATEST_SUM.format(account="e.id")} ON true
    WHERE e.posted IS DISTINCT FROM latest.posted"""  # noqa: S608  (our own words)
STANDING_RULE = "no hold is open whose step does not go on"
_STANDING_QUERY = """
    SELECT id FROM payment.holds WHERE status = 'held' AND NOT running
      AND created_at < now() - make_interval(secs => :unheard_s)"""
HEARD_RULE = "no refund or payment by hand stays unheard of"
_HEARD_QUERY = """
    SELECT id FROM payment.announcements
    WHERE created_at < now() - make_interval(secs => :unheard_s)"""
AT_MOST = 20_000
"""Lines of the ledger that one look at what is recent reads."""
_ONLY_ONE = 7_201_994
"""The database-wide lock of whoever adds a checkpoint."""


@dataclass(frozen=True, slots=True)
class Span:
    """What a look at the recent lines covers.

    Attributes:
        after: the last ledger line that the latest checkpoint covers.
        to: the last ledger line that is covered now.
        lines_to: the last line of the journal of holds that is covered now.
        pending: how many lines there are behind `to`, as far as their numbers tell.
        about: ids of the steps, tasks and transfers that moved.
    """

    after: int
    to: int
    lines_to: int
    pending: int
    about: dict[str, Any] = field(default_factory=dict)


async def at_one_moment(conn: AsyncConnection) -> None:
    """Have all further statements of this transaction see the same moment; comes first in it."""
    await conn.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))


async def broken_rules(conn: AsyncConnection) -> dict[str, int]:
    """How many rows break each rule, in all of the books."""
    queries = {rule: query.format_map(EVERYTHING) for rule, query in RULES.items()}
    return await _counted(conn, queries | {CHECKPOINT_RULE: _CHECKPOINT_QUERY}, {})


async def broken_standing(conn: AsyncConnection, unheard_s: float) -> dict[str, int]:
    """How many holds stand open though nobody says that their steps go on, and what is unheard of.

    The books add up all the same, so that no checkpoint waits for this.

    Args:
        conn: the transaction's.
        unheard_s: seconds that a hold may be open, or a message unheard, before that counts.
    """
    queries = {STANDING_RULE: _STANDING_QUERY, HEARD_RULE: _HEARD_QUERY}
    return await _counted(conn, queries, {"unheard_s": unheard_s})


async def broken_lately(conn: AsyncConnection, span: Span) -> dict[str, int]:
    """How many rows break each rule among what moved."""
    # A plan that is kept for later runs takes the lists for short ones, and is slow with long ones.
    await conn.execute(text("SET LOCAL plan_cache_mode = 'force_custom_plan'"))
    queries = {rule: query.format_map(RECENT) for rule, query in RULES.items()}
    return await _counted(conn, queries, {**span.about, "after": span.after})


async def _counted(
    conn: AsyncConnection, queries: dict[str, str], values: dict[str, Any]
) -> dict[str, int]:
    found = {}
    for rule, query in queries.items():
        count = f"SELECT count(*) FROM ({query}) AS broken"  # noqa: S608  (our own rules)
        wanted = {name: value for name, value in values.items() if f":{name}" in query}
        found[rule] = int((await conn.execute(text(count), wanted)).scalar_one())
    return found


async def recent(conn: AsyncConnection, horizon: tuple[int, int] | None = None) -> Span:
    """What moved since the latest checkpoint, at most `AT_MOST` lines of each kind.

    Args:
        conn: the transaction's.
        horizon: the last lines to look at, of the ledger and of the journal of holds.
    """
    row = (
        await conn.execute(
            text(
                """
                SELECT coalesce(max(c.entries_to), 0) AS after,
                       coalesce(max(c.hold_lines_to), 0) AS lines_after,
                       (SELECT coalesce(max(id), 0) FROM payment.entries) AS last,
                       (SELECT coalesce(max(id), 0) FROM payment.hold_lines) AS last_line
                FROM (SELECT * FROM payment.checkpoints ORDER BY id DESC LIMIT 1) AS c
                """
            )
        )
    ).one()
    last, last_line = horizon or (row.last, row.last_line)
    to = min(last, row.after + AT_MOST)
    lines_to = min(last_line, row.lines_after + AT_MOST)
    moved = (
        await conn.execute(
            text(
                """
                WITH lines AS (
                  SELECT step_id, task_id, transfer_id FROM payment.entries
                  WHERE id > :after AND id <= :to
                  UNION ALL
                  SELECT hold_id, task_id, NULL FROM payment.hold_lines
                  WHERE id > :lines_after AND id <= :lines_to)
                SELECT coalesce(array_agg(DISTINCT step_id) FILTER (WHERE step_id IS NOT NULL),
                                '{}') AS steps,
                       coalesce(array_agg(DISTINCT task_id) FILTER (WHERE task_id IS NOT NULL),
                                '{}') AS tasks,
                       coalesce(array_agg(DISTINCT transfer_id)
                                  FILTER (WHERE transfer_id IS NOT NULL), '{}') AS transfers
                FROM lines
                """
            ),
            {
                "after": row.after,
                "to": to,
                "lines_after": row.lines_after,
                "lines_to": lines_to,
            },
        )
    ).one()
    pending = max(0, last - to) + max(0, last_line - lines_to)
    return Span(row.after, to, lines_to, pending, moved._asdict())


async def settled(conn: AsyncConnection) -> tuple[int, int] | None:
    """The last lines, of the ledger and of the journal, before which none can appear any more.

    Numbers are given before the commit, so a line can appear before one that is there. All who
    were writing when we looked must have ended; None when one of them takes too long.
    """
    row = (
        await conn.execute(
            text(
                """
                SELECT (SELECT coalesce(max(id), 0) FROM payment.entries) AS last,
                       (SELECT coalesce(max(id), 0) FROM payment.hold_lines) AS last_line,
                       CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint) AS next
                """
            )
        )
    ).one()
    oldest = text("SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)")
    for _ in range(100):
        if (await conn.execute(oldest)).scalar_one() >= row.next:
            return row.last, row.last_line
        await asyncio.sleep(0.02)
    return None


async def only_one(conn: AsyncConnection) -> bool:
    """Whether this transaction alone may add a checkpoint now."""
    tried = await conn.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _ONLY_ONE})
    return bool(tried.scalar_one())


async def add_checkpoint(conn: AsyncConnection, span: Span) -> None:
    """Keep that everything up to the end of a span was found right, with the sums up to there."""
    made = await conn.execute(
        text(
            "INSERT INTO payment.checkpoints (entries_to, hold_lines_to)"
            " VALUES (:to, :lines_to) RETURNING id"
        ),
        {"to": span.to, "lines_to": span.lines_to},
    )
    await conn.execute(
        text(
            f"""
            INSERT INTO payment.checkpoint_sums (checkpoint_id, ledger_account, posted)
            SELECT :id, moved.account, moved.amount + coalesce(latest.posted, 0)
            FROM (SELECT ledger_account AS account, sum(amount) AS amount FROM payment.entries
                  WHERE id > :after AND id <= :to GROUP BY 1) AS moved
            LEFT JOIN {_LATEST_SUM.format(account="moved.account")} ON true
            """  # noqa: S608  (our own words)
        ),
        {"id": made.scalar_one(), "after": span.after, "to": span.to},
    )
