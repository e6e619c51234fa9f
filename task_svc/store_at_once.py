"""SQL of a call's beginning and end: a transaction each, of one statement.

Where something is in the way, nothing is done; the statements of `store` say what it is.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, JSON, Boolean, Integer, Interval, String, Text

from chassis.db.at_once import Left, at_once
from chassis.db.statements import Statement
from chassis.db.transaction import Transaction
from task_svc.rows import Step, Task
from task_svc.tables import steps, tasks


class _Begun(NamedTuple):
    row_id: int
    seq: int
    created_at: datetime
    task: Task


def _begun(row_id: int, seq: int, created_at: datetime, *task: Any) -> _Begun:
    return _Begun(row_id, seq, created_at, Task(*task))


_RESULT = (
    f"SELECT outbox_row.id, seq, stored.created_at, {', '.join(f'begun.{c.name}' for c in tasks.c)}"  # noqa: S608  (names of columns)
    " FROM outbox_row, stored, begun"
)
_FRESH: dict[str, Any] = {
    **dict.fromkeys(("turn_id", "negotiation_id", "billed", "vendor", "result", "execution_time")),
    **dict.fromkeys(("reason", "error", "completed_at")),
    **dict.fromkeys(("cost", "external_cost"), Decimal(0)),
    "status": "in_progress",
    "depends_on": [],
    "waits_for": 0,
    "requires_external_tool": False,
    "attempts": 1,
    "failures": 0,
    "aged": False,
}
"""The columns of a step that was just begun which nobody names."""
_MADE = """
    begun AS (
      INSERT INTO task.tasks (id, account, spender, user_query, required_skills, status, max_budget,
                              open_steps)
      VALUES (:task_id, :account, :spender, :user_query, :required_skills, 'in_progress',
              :max_budget, 1)
      ON CONFLICT DO NOTHING RETURNING *)"""
_TAKEN_UP = """
    begun AS (
      UPDATE task.tasks SET open_steps = open_steps + 1, status = 'in_progress',
             completed_at = CASE WHEN :anew THEN NULL ELSE completed_at END
      WHERE id = :task_id AND account = :account AND turn_id IS NULL AND cancelled_at IS NULL
        AND (status <> 'in_progress') = :anew
      RETURNING *)"""


class _Made(NamedTuple):
    row_id: int
    task: Task


def _made_row(row_id: int, *task: Any) -> _Made:
    return _Made(row_id, Task(*task))


_NEW = ("id", "account", "spender", "user_query", "required_skills", "status", "max_budget")
_MAKE: Statement[_Made] = at_once(
    "task",
    f"""
    begun AS (
      INSERT INTO task.tasks ({", ".join(_NEW)})
      SELECT {", ".join(_NEW)} FROM json_to_recordset(:made) AS made
        (id text, account text, spender text, user_query text, required_skills text[],
         status text, max_budget numeric)
      ORDER BY id ON CONFLICT DO NOTHING RETURNING *),
    counted AS (SELECT count(*) AS tasks FROM begun),
    whole AS (SELECT FROM counted WHERE tasks = json_array_length(:made))
    """,  # noqa: S608  (names of columns)
    _made_row,
    {"made": JSON()},
    first="counted",
    last="whole",
    result=f"SELECT outbox_row.id, {', '.join(f'begun.{c.name}' for c in tasks.c)}"  # noqa: S608  (as above)
    " FROM outbox_row, begun",
)


async def make(tx: Transaction, new: Sequence[Mapping[str, Any]]) -> list[Task] | None:
    """Store tasks that nobody has called an agent for, with what is to leave.

    Returns:
        Them, in the order asked for; None when the id of one is known, and nothing was done.
    """
    made = [{**task, "max_budget": str(task["max_budget"])} for task in new]
    found = {one.task.id: one.task for one in await tx.all_at_once(_MAKE, {"made": made})}
    return [found[task["id"]] for task in new] if found else None


@cache
def _begin(keys: tuple[str, ...], *, made: bool) -> Statement[_Begun]:
    parts = f"""{_MADE if made else _TAKEN_UP},
    stored AS (
      INSERT INTO task.steps ({", ".join(keys)}, max_budget, status, attempts, lease_until)
      SELECT {", ".join(f":{name}" for name in keys)}, max_budget, 'in_progress', 1, now() + :lease
      FROM begun ON CONFLICT DO NOTHING RETURNING seq, created_at)
    """  # noqa: S608  (names of columns)
    types: dict[str, Any] = {name: steps.c[name].type for name in keys}
    if made:
        more = ("spender", "user_query", "required_skills", "max_budget")
        types |= {name: tasks.c[name].type for name in more}
    else:
        types["anew"] = Boolean()
    types["lease"] = Interval()
    return at_once("task", parts, _begun, types, first="begun", last="stored", result=_RESULT)


async def begin(
    tx: Transaction,
    step: Mapping[str, Any],
    lease_s: float,
    *,
    made: Mapping[str, Any] | None,
    anew: bool,
) -> tuple[Step, Task] | None:
    """Store a step that its `lease_owner` runs at once, with the task that it is of.

    Args:
        tx: the transaction.
        step: its columns, but for those that its task and its lease say.
        lease_s: how long the lease is.
        made: the columns of a task that is made for it, but for its id; None where there is one.
        anew: whether the one that is there is not in progress, and is so from now on.

    Returns:
        Both, as they are now; None when something was in the way, and nothing was done.
    """
    lease = timedelta(seconds=lease_s)
    statement = _begin(tuple(step), made=made is not None)
    values = {**(made or {}), **step, "anew": anew, "lease": lease}
    found = await tx.at_once(statement, values)
    if found is None:
        return None
    now = found.created_at
    known = {**_FRESH, **step, "seq": found.seq, "max_budget": found.task.max_budget}
    stored = Step(**known, created_at=now, next_attempt_at=now, lease_until=now + lease)
    return stored, found.task


@cache
def _end(keys: tuple[str, ...], ends: bool) -> Statement[Left]:
    ended = "completed_at = now()" if ends else "completed_at = completed_at"
    parts = f"""
    settled AS (
      UPDATE task.tasks SET open_steps = :open_steps, total_cost = :total_cost,
             done_skills = :done_skills, status = :task_status, {ended}
      WHERE id = :task AND turn_id IS NULL AND status = 'in_progress'
        AND open_steps = :open_steps + 1 AND total_cost = :total_before
        AND done_skills = :done_before
        AND EXISTS (SELECT FROM task.steps
                    WHERE id = :step AND status IN ('pending', 'in_progress'))
      RETURNING id),
    ended AS (
      UPDATE task.steps SET {", ".join(f"{name} = :{name}" for name in keys)},
             completed_at = now(), lease_owner = NULL, lease_until = NULL
      FROM settled WHERE steps.id = :step AND steps.status IN ('pending', 'in_progress')
      RETURNING steps.id)
    """  # noqa: S608  (names of columns)
    types = {
        **{name: steps.c[name].type for name in keys},
        **dict.fromkeys(("task", "step", "task_status"), String()),
        **dict.fromkeys(("total_cost", "total_before"), tasks.c.total_cost.type),
        **dict.fromkeys(("done_skills", "done_before"), ARRAY(Text)),
        "open_steps": Integer(),
    }
    return at_once("task", parts, Left, types, first="settled", last="ended")


async def end(
    tx: Transaction, task: Task, step: Step, now: Mapping[str, Any], outcome: Mapping[str, Any]
) -> bool:
    """End a call and bring its task up to date, if that is still as it is known.

    Args:
        tx: the transaction.
        task: its task, as it was when the step had begun.
        step: which.
        now: the task's columns that change.
        outcome: the step's.

    Returns:
        Whether it was done.
    """
    values = {
        **outcome,
        "task": task.id,
        "step": step.id,
        "open_steps": now["open_steps"],
        "total_cost": now["total_cost"],
        "done_skills": now["done_skills"],
        "task_status": now.get("status", task.status),
        "total_before": task.total_cost,
        "done_before": task.done_skills,
    }
    statement = _end(tuple(outcome), "status" in now)
    return await tx.at_once(statement, values) is not None
