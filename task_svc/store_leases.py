"""SQL of leases: which replica runs a step, until when, and when it is tried again."""

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BindParameter,
    Integer,
    Interval,
    String,
    all_,
    and_,
    any_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.intervals import after
from chassis.db.statements import Statement
from task_svc.rows import Step
from task_svc.store import OPEN
from task_svc.tables import steps


async def claim(
    conn: AsyncConnection,
    owner: str,
    lease_s: float,
    limit: int,
    only: Sequence[str] | None = None,
    *,
    no_agents: Sequence[str] = (),
    no_accounts: Sequence[str] = (),
) -> list[Step]:
    """Take steps that are ready and that nobody runs; each goes to one replica.

    Args:
        conn: in a transaction.
        owner: this replica.
        lease_s: for how many seconds they are its own.
        limit: how many at most.
        only: ids to choose from; all open steps when None.
        no_agents: agents whose steps are left where they are.
        no_accounts: the same of accounts.
    """
    query = _claim(among=only is not None, without=bool(no_agents), beside=bool(no_accounts))
    asked = {
        "owner": owner,
        "lease": timedelta(seconds=lease_s),
        "most": limit,
        "only": list(only or ()),
        "agents": list(no_agents),
        "accounts": list(no_accounts),
    }
    return await query.all(conn, asked)


@cache
def _claim(*, among: bool, without: bool, beside: bool) -> Statement[Step]:
    def named(name: str) -> BindParameter[Any]:
        return bindparam(name, type_=ARRAY(String))

    free = (
        select(steps.c.id)
        .where(
            steps.c.status.in_([literal_column(f"'{one}'") for one in OPEN]),  # as in the index
            steps.c.waits_for == 0,
            steps.c.next_attempt_at <= func.now(),
            or_(steps.c.lease_until.is_(None), steps.c.lease_until < func.now()),
        )
        .order_by(steps.c.next_attempt_at)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True)
    )
    if among:
        free = free.where(steps.c.id == any_(named("only")))
    if without:
        free = free.where(steps.c.agent_id != all_(named("agents")))
    if beside:
        free = free.where(steps.c.account != all_(named("accounts")))
    # A subquery could be run more than once, and take more than its limit.
    chosen = free.cte("free")
    owner = bindparam("owner", type_=String)
    lost = case((and_(steps.c.lease_owner.is_not(None), steps.c.lease_owner != owner), 1), else_=0)
    taking = (
        update(steps)
        .where(steps.c.id == chosen.c.id)
        .values(
            lease_owner=owner,
            lease_until=func.now() + bindparam("lease", type_=Interval),
            attempts=steps.c.attempts + 1,
            failures=steps.c.failures + lost,
        )
    )
    return Statement(taking.returning(steps), Step)


@cache
def _take(keys: frozenset[str]) -> Statement[Step]:
    query = (
        update(steps)
        .where(
            steps.c.id == bindparam("step"),
            steps.c.status == "pending",
            steps.c.waits_for == 0,
            steps.c.next_attempt_at <= func.now(),
            steps.c.lease_until.is_(None),
        )
        .values(
            lease_until=func.now() + bindparam("lease", type_=Interval),
            attempts=steps.c.attempts + 1,
        )
    )
    return Statement(query.returning(steps), Step, keys=keys)


async def take(
    conn: AsyncConnection, step_id: str, owner: str, lease_s: float, **changes: object
) -> Step | None:
    """Take a step that became ready in this transaction, which has locked its row.

    Args:
        conn: in the transaction.
        step_id: which.
        owner: this replica.
        lease_s: for how many seconds it is its own.
        changes: columns that change with it.

    Returns:
        The step; None when it is not to be had.
    """
    values = {**changes, "lease_owner": owner}
    asked = {**values, "step": step_id, "lease": timedelta(seconds=lease_s)}
    return await _take(frozenset(values)).one_or_none(conn, asked)


async def renew(conn: AsyncConnection, owner: str, lease_s: float, ids: Sequence[str]) -> None:
    """Show a sign of life for the steps that this replica runs."""
    # Those that are being ended are left out: waiting for one while others are locked here could
    # wait for ever.
    mine = (
        select(steps.c.id)
        .where(steps.c.id.in_(ids), steps.c.lease_owner == owner, steps.c.status.in_(OPEN))
        .with_for_update(skip_locked=True)
        .cte("mine")
    )
    await conn.execute(
        update(steps).where(steps.c.id == mine.c.id).values(lease_until=after(lease_s))
    )


async def release(conn: AsyncConnection, owner: str, ids: Sequence[str]) -> None:
    """Put steps back that were taken in vain, as if they had not been."""
    await conn.execute(
        update(steps)
        .where(steps.c.id.in_(ids), steps.c.lease_owner == owner)
        .values(lease_owner=None, lease_until=None, attempts=steps.c.attempts - 1)
    )


async def postpone(
    conn: AsyncConnection,
    step_id: str,
    owner: str,
    delay_s: float,
    *,
    failures: int = 0,
    tried: bool = True,
) -> None:
    """Give a step back; it is ready for any replica after `delay_s` seconds.

    Args:
        conn: in a transaction.
        step_id: which.
        owner: this replica.
        delay_s: seconds.
        failures: how many are added; none when it is that others are not ready.
        tried: whether taking it counts as an attempt.
    """
    await conn.execute(
        update(steps)
        .where(steps.c.id == step_id, steps.c.lease_owner == owner)
        .values(
            lease_owner=None,
            lease_until=None,
            next_attempt_at=after(delay_s),
            failures=steps.c.failures + failures,
            attempts=steps.c.attempts - int(not tried),
        )
    )
