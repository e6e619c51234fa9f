"""SQL of lists, with the columns that are shown and no others."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import DateTime, Integer, bindparam, case, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.pages import loadable
from chassis.db.statements import Statement, named
from contracts.task import StepView, TaskView
from task_svc.tables import steps, tasks

# A step's payload and cause may weigh a megabyte, and five hundred of them are read at once.
_SHOWN_TASK = [tasks.c[name] for name in TaskView.model_fields]
_PAID = case((steps.c.status == "completed", steps.c.cost + steps.c.external_cost))
_SHOWN_STEP = [
    steps.c.seq,
    *(steps.c[name] for name in StepView.model_fields if name != "paid"),
    _PAID.label("paid"),
]


@cache
def _page_of_tasks(*, later: bool) -> Statement[Any]:
    query = (
        select(*_SHOWN_TASK)
        .where(tasks.c.account == bindparam("owner"))
        .order_by(tasks.c.created_at.desc(), tasks.c.id.desc())
        .limit(bindparam("most", type_=Integer))
    )
    if later:
        place = tuple_(bindparam("moment", type_=DateTime(timezone=True)), bindparam("after"))
        query = query.where(tuple_(tasks.c.created_at, tasks.c.id) < place)
    return named(loadable(query, ("created_at", "id"), "user_query"))


async def page_of_tasks(
    conn: AsyncConnection, account: str, limit: int, before: tuple[datetime, str] | None
) -> Sequence[Any]:
    """An account's tasks, newest first: more than can be shown when there are more."""
    moment, after = before or (None, None)
    asked = {"owner": account, "most": limit + 1, "moment": moment, "after": after}
    return await _page_of_tasks(later=before is not None).all(conn, asked)


@cache
def _page_of_steps(*, later: bool) -> Statement[Any]:
    query = (
        select(*_SHOWN_STEP)
        .where(steps.c.task_id == bindparam("task"))
        .order_by(steps.c.seq.desc())
        .limit(bindparam("most", type_=Integer))
    )
    if later:
        query = query.where(steps.c.seq < bindparam("before"))
    return named(loadable(query, ("seq",), "result"))


async def page_of_steps(
    conn: AsyncConnection, task_id: str, limit: int, before: int | None
) -> Sequence[Any]:
    """A task's newest steps, newest first: more than can be shown when there are more."""
    asked = {"task": task_id, "most": limit + 1, "before": before}
    return await _page_of_steps(later=before is not None).all(conn, asked)
