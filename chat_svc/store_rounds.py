"""SQL of moves and tool calls. Nothing here commits; a turn's row is locked before its calls."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    String,
    Text,
    any_,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.statements import Statement, named
from chat_svc.domain import StoredCall, Work
from chat_svc.orchestrator import Tokens
from chat_svc.store import Found
from chat_svc.tables import calls, rounds, turns

_INSERT_CALL = Statement(insert(calls), tuple, keys=calls.columns.keys())
_UPDATE_CALL = Statement(
    update(calls).where(calls.c.turn_id == bindparam("turn"), calls.c.id == bindparam("call")),
    tuple,
    keys=("work", "content", "error"),
)
_SEVERAL = bindparam("turns", type_=ARRAY(String))
_WORK = case((calls.c.turn_id == bindparam("turn"), calls.c.work)).label("work")
_CALLS_OF = named(
    select(*(one for one in calls.c if one.key != "work"), _WORK)
    .where(calls.c.turn_id == any_(_SEVERAL))
    .order_by(calls.c.round, calls.c.place)
)
_MOVES_OF = named(select(rounds).where(rounds.c.turn_id == any_(_SEVERAL)).order_by(rounds.c.round))
_TOKENS_OF = Statement(
    select(
        rounds.c.model,
        rounds.c.input_tokens,
        rounds.c.output_tokens,
        rounds.c.cached_tokens,
        rounds.c.written_tokens,
    )
    .where(rounds.c.turn_id == bindparam("turn"), rounds.c.model.is_not(None))
    .order_by(rounds.c.round),
    Tokens,
)


@cache
def _insert_round(keys: frozenset[str]) -> Statement[Any]:
    return Statement(insert(rounds), tuple, keys=keys)


async def insert_round(conn: AsyncConnection, **values: object) -> None:
    """Store a move."""
    await _insert_round(frozenset(values)).run(conn, values)


async def insert_calls(conn: AsyncConnection, turn_id: str, stored: Sequence[StoredCall]) -> None:
    """Store the calls of a move, in order."""
    rows = [
        {
            "turn_id": turn_id,
            "id": call.id,
            "round": call.round,
            "place": place,
            "tool": call.tool,
            "input": dict(call.input),
            "work": _json(call.work),
            "content": call.content,
            "error": call.error,
        }
        for place, call in enumerate(stored)
    ]
    if rows:
        await _INSERT_CALL.run_each(conn, rows)


async def update_call(conn: AsyncConnection, turn_id: str, call: StoredCall) -> None:
    """Keep who has a call's work now, or what came of it."""
    values = {"work": _json(call.work), "content": call.content, "error": call.error}
    await _UPDATE_CALL.run(conn, {"turn": turn_id, "call": call.id, **values})


async def calls_of(conn: AsyncConnection, turn_id: str) -> list[StoredCall]:
    """All calls of a turn, in order."""
    return [_call(row) for row in await _CALLS_OF.all(conn, {"turn": turn_id, "turns": [turn_id]})]


async def moves_of(
    conn: AsyncConnection, turn_id: str, earlier: Sequence[str]
) -> dict[str, tuple[list[Found], list[StoredCall]]]:
    """The moves and calls of a turn and of earlier ones, in order, by the turn's id.

    Who did the work of an earlier turn is left out.
    """
    turn_ids = [turn_id, *earlier]
    found: dict[str, tuple[list[Found], list[StoredCall]]] = {id_: ([], []) for id_ in turn_ids}
    asked = {"turn": turn_id, "turns": turn_ids}
    for row in await _MOVES_OF.all(conn, asked):
        found[row.turn_id][0].append(row)
    for row in await _CALLS_OF.all(conn, asked):
        found[row.turn_id][1].append(_call(row))
    return found


async def own_moves(conn: AsyncConnection, turn_id: str) -> list[Found]:
    """The moves of a turn, in order, as they are stored."""
    return await _MOVES_OF.all(conn, {"turns": [turn_id]})


async def tokens_of(conn: AsyncConnection, turn_id: str) -> list[Tokens]:
    """What a language model used for each of a turn's moves, in order; none of the rules."""
    return await _TOKENS_OF.all(conn, {"turn": turn_id})


async def end_turn(conn: AsyncConnection, turn_id: str, **values: object) -> None:
    """Change a turn whose row is locked and which is over; its `weight` is known now."""
    await _end_turn(frozenset(values)).run(conn, {**values, "turn": turn_id})


@cache
def _end_turn(keys: frozenset[str]) -> Statement[Any]:
    # Characters of its moves and of what came of them.
    this = bindparam("turn", type_=String)
    said = select(
        func.coalesce(func.sum(func.length(rounds.c.text)), 0)
        + func.coalesce(func.sum(func.length(cast(rounds.c.raw, Text))), 0)
    ).where(rounds.c.turn_id == this)
    done = select(
        func.coalesce(func.sum(func.length(calls.c.content)), 0)
        + func.coalesce(func.sum(func.length(cast(calls.c.input, Text))), 0)
    ).where(calls.c.turn_id == this)
    weight = said.scalar_subquery() + done.scalar_subquery() + func.length(turns.c.content)
    query = update(turns).where(turns.c.id == this).values(weight=weight)
    return Statement(query, tuple, keys=keys)


async def forget_rounds(conn: AsyncConnection, turn_ids: Sequence[str]) -> None:
    """Delete the moves and calls of turns that are over."""
    await conn.execute(delete(calls).where(calls.c.turn_id.in_(turn_ids)))
    await conn.execute(delete(rounds).where(rounds.c.turn_id.in_(turn_ids)))


def _call(row: Found) -> StoredCall:
    return StoredCall(
        id=row.id,
        round=row.round,
        tool=row.tool,
        input=row.input,
        work=Work.model_validate(row.work) if row.work is not None else None,
        content=row.content,
        error=row.error,
    )


def _json(work: Work | None) -> Any:
    return work.model_dump(mode="json") if work else None
