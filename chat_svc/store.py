"""SQL of turns and messages; that of moves is in `store_rounds`. Nothing here commits."""

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    Integer,
    Interval,
    Row,
    bindparam,
    delete,
    func,
    insert,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.intervals import after
from chassis.db.pages import loadable
from chassis.db.schema import outbox_table
from chassis.db.statements import Statement, named
from chat_svc.tables import messages, turns

Found = Row[*tuple[Any, ...]]
LONGEST_PAST = 100_000
"""Characters of an earlier message that a later turn is told."""


_FIND = select(turns).where(turns.c.id == bindparam("turn"))
_FIND_TURN, _LOCK_TURN = named(_FIND), named(_FIND.with_for_update())


@cache
def _insert_turn(keys: frozenset[str]) -> Statement[Any]:
    query = upsert(turns).values(deadline_at=func.now() + bindparam("ends", type_=Interval))
    return named(query.on_conflict_do_nothing().returning(turns), keys=keys)


@cache
def _update_turn(keys: frozenset[str], *, settles: bool) -> Statement[Any]:
    query = update(turns).where(turns.c.id == bindparam("turn")).returning(turns)
    if settles:
        least = func.now() + bindparam("grace", type_=Interval)
        query = query.values(deadline_at=func.greatest(turns.c.deadline_at, least))
    return named(query, keys=keys)


@cache
def _insert_message(keys: frozenset[str]) -> Statement[Any]:
    return named(insert(messages).returning(messages), keys=keys)


async def insert_turn(conn: AsyncConnection, deadline_s: float, **values: object) -> Found | None:
    """Store a turn; None when its id is known already, or its task has an open turn."""
    query = _insert_turn(frozenset(values))
    ends = timedelta(seconds=deadline_s)
    stored: Found | None = await query.one_or_none(conn, {**values, "ends": ends})
    return stored


async def find_turn(conn: AsyncConnection, turn_id: str, *, lock: bool = False) -> Found | None:
    """A turn, its row locked until the end of the transaction when asked."""
    query = _LOCK_TURN if lock else _FIND_TURN
    found: Found | None = await query.one_or_none(conn, {"turn": turn_id})
    return found


async def update_turn(
    conn: AsyncConnection, turn_id: str, *, grace_s: float | None = None, **values: object
) -> Found:
    """Change a turn whose row is locked; returns it as it is then.

    With `grace_s`, its deadline is what it is, but at least so many seconds from now.
    """
    query = _update_turn(frozenset(values), settles=grace_s is not None)
    grace = timedelta(seconds=grace_s or 0)
    changed: Found = await query.one(conn, {**values, "turn": turn_id, "grace": grace})
    return changed


async def note_trouble(conn: AsyncConnection, turn_id: str, trouble: str) -> None:
    """Keep what an unanswered turn waits for."""
    await conn.execute(
        update(turns)
        .where(turns.c.id == turn_id, turns.c.status == "thinking")
        .values(trouble=trouble)
    )


async def overdue_turns(conn: AsyncConnection, limit: int) -> Sequence[Found]:
    """Turns without an answer at their deadline, locked; another replica skips them."""
    query = (
        select(turns)
        .where(turns.c.status != "done", turns.c.deadline_at < func.now())
        .order_by(turns.c.deadline_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return (await conn.execute(query)).all()


async def put_off(conn: AsyncConnection, turn_id: str, seconds: float) -> None:
    """Have an overdue turn looked after no sooner than in `seconds`."""
    query = update(turns).where(turns.c.id == turn_id, turns.c.status != "done")
    await conn.execute(query.values(deadline_at=after(seconds)))


async def give_up(conn: AsyncConnection, turn_id: str, why: str) -> None:
    """Let the time of a turn be over, with a sentence for the person if it has none yet."""
    query = update(turns).where(turns.c.id == turn_id, turns.c.status != "done")
    over = func.least(turns.c.deadline_at, func.now())
    await conn.execute(query.values(deadline_at=over, trouble=func.coalesce(turns.c.trouble, why)))


async def answer_of(conn: AsyncConnection, turn_id: str) -> Found | None:
    """The assistant's message that ended a turn; None while there is none, or none any more."""
    query = select(messages).where(messages.c.turn_id == turn_id, messages.c.role == "assistant")
    return (await conn.execute(query)).one_or_none()


async def is_open(conn: AsyncConnection, account: str, task_id: str) -> bool:
    """Whether a turn works on this task now."""
    query = select(turns.c.id).where(
        turns.c.task_id == task_id, turns.c.account == account, turns.c.status != "done"
    )
    return (await conn.execute(query)).first() is not None


async def last_turn_of(conn: AsyncConnection, account: str, task_id: str) -> Found | None:
    """The newest turn of an account that worked on a task; None when the task is not its own."""
    query = (
        select(turns)
        .where(turns.c.account == account, turns.c.task_id == task_id)
        .order_by(turns.c.created_at.desc())
        .limit(1)
    )
    return (await conn.execute(query)).one_or_none()


async def history(
    conn: AsyncConnection, turn: Found, limit: int, *, only_task: bool
) -> Sequence[Found]:
    """The turns of the account that ended before this one, newest first, at most `limit`.

    Args:
        conn: in a transaction.
        turn: which turn's past.
        limit: how many.
        only_task: only those of the same task.
    """
    asked = {
        "owner": turn.account,
        "moment": turn.created_at,
        "turn": turn.id,
        "task": turn.task_id,
        "most": limit,
    }
    return await _history(only_task=only_task).all(conn, asked)


@cache
def _history(*, only_task: bool) -> Statement[Any]:
    query = select(
        turns.c.id,
        turns.c.task_id,
        func.left(turns.c.content, LONGEST_PAST).label("content"),
        func.left(turns.c.answer, LONGEST_PAST).label("answer"),
        turns.c.result,
        turns.c.weight,
    ).where(
        turns.c.account == bindparam("owner"),
        turns.c.created_at <= bindparam("moment"),
        turns.c.content != "",
        turns.c.status == "done",
        turns.c.id != bindparam("turn"),
    )
    if only_task:
        query = query.where(turns.c.task_id == bindparam("task"))
    return named(query.order_by(turns.c.created_at.desc()).limit(bindparam("most", type_=Integer)))


async def forget_turns(conn: AsyncConnection, account: str, task_id: str) -> list[str]:
    """Make the turns of a task forget what was said; returns their ids, for they remain."""
    forgotten = await conn.execute(
        update(turns)
        .where(turns.c.account == account, turns.c.task_id == task_id)
        .values(
            content="",
            answer=None,
            result=None,
            trouble=None,
            progress=null(),
            forgotten_at=func.now(),
            task_begun=or_(turns.c.task_begun, turns.c.progress.is_not(None)),
        )
        .returning(turns.c.id)
    )
    return list(forgotten.scalars())


async def forgotten_turns(conn: AsyncConnection, limit: int) -> Sequence[Found]:
    """Ids of turns, and their tasks', whose words the event stream may still have.

    And whether these are the last: events that are older than that wish may still be on their way.
    """
    outbox = outbox_table(turns.metadata)
    oldest = select(func.min(outbox.c.created_at)).scalar_subquery()
    last = turns.c.forgotten_at < func.coalesce(oldest, func.now())
    query = (
        select(turns.c.id, turns.c.task_id, last.label("last"))
        .where(turns.c.forgotten_at.is_not(None))
        .order_by(turns.c.forgotten_at)
        .limit(limit)
    )
    return (await conn.execute(query)).all()


async def all_forgotten(conn: AsyncConnection, turn_ids: Sequence[str]) -> None:
    """Note that nothing has the words of these turns any more."""
    await conn.execute(update(turns).where(turns.c.id.in_(turn_ids)).values(forgotten_at=None))


async def insert_message(conn: AsyncConnection, **values: object) -> Found:
    """Store a message."""
    stored: Found = await _insert_message(frozenset(values)).one(conn, values)
    return stored


async def first_message(conn: AsyncConnection, turn_id: str, message_id: str) -> Found | None:
    """The user's message of a turn that was posted before."""
    query = select(messages).where(messages.c.id == message_id, messages.c.turn_id == turn_id)
    return (await conn.execute(query)).one_or_none()


async def tell_task(conn: AsyncConnection, message_id: str, task_id: str) -> None:
    """Let a person's message know the task that is made for it."""
    await conn.execute(update(messages).where(messages.c.id == message_id).values(task_id=task_id))


async def delete_messages(conn: AsyncConnection, account: str, task_id: str) -> int:
    """Delete what was said about a task of the account; returns how many messages went."""
    about = (messages.c.account == account, messages.c.task_id == task_id)
    return (await conn.execute(delete(messages).where(*about))).rowcount


async def page_of_messages(
    conn: AsyncConnection,
    account: str,
    limit: int,
    before: int | None,
    task_id: str | None = None,
) -> Sequence[Found]:
    """An account's newest messages, newest first: more than can be shown when there are more.

    Args:
        conn: in a transaction.
        account: whose.
        limit: how many.
        before: the number of the message that the page ends before; None for the newest.
        task_id: only those about this task.
    """
    query = select(messages).where(messages.c.account == account)
    if task_id is not None:
        query = query.where(messages.c.task_id == task_id)
    query = query.order_by(messages.c.seq.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(messages.c.seq < before)
    found = await conn.execute(loadable(query, ("seq",), "content"))
    return found.all()
