"""SQL of moves and tool calls. Nothing here commits; a turn's row is locked before its calls."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Text, cast, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_svc.domain import StoredCall, Work
from chat_svc.orchestrator import Tokens
from chat_svc.store import Found
from chat_svc.tables import calls, rounds, turns


async def insert_round(conn: AsyncConnection, **values: object) -> None:
    """Store a move."""
    await conn.execute(insert(rounds).values(**values))


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
        await conn.execute(insert(calls).values(rows))


async def update_call(conn: AsyncConnection, turn_id: str, call: StoredCall) -> None:
    """Keep who has a call's work now, or what came of it."""
    await conn.execute(
        update(calls)
        .where(calls.c.turn_id == turn_id, calls.c.id == call.id)
        .values(work=_json(call.work), content=call.content, error=call.error)
    )


async def calls_of(conn: AsyncConnection, turn_id: str) -> list[StoredCall]:
    """All calls of a turn, in order."""
    return [_call(row) for row in await _calls_of(conn, [turn_id])]


async def moves_of(
    conn: AsyncConnection, turn_ids: Sequence[str]
) -> dict[str, tuple[list[Found], list[StoredCall]]]:
    """The moves and calls of turns, in order, by the turn's id."""
    found: dict[str, tuple[list[Found], list[StoredCall]]] = {id_: ([], []) for id_ in turn_ids}
    if not found:
        return found
    query = select(rounds).where(rounds.c.turn_id.in_(turn_ids)).order_by(rounds.c.round)
    for row in await conn.execute(query):
        found[row.turn_id][0].append(row)
    for row in await _calls_of(conn, turn_ids):
        found[row.turn_id][1].append(_call(row))
    return found


async def tokens_of(conn: AsyncConnection, turn_id: str) -> list[Tokens]:
    """What a language model used for each of a turn's moves, in order; none of the rules."""
    query = (
        select(
            rounds.c.model,
            rounds.c.input_tokens,
            rounds.c.output_tokens,
            rounds.c.cached_tokens,
            rounds.c.written_tokens,
        )
        .where(rounds.c.turn_id == turn_id, rounds.c.model.is_not(None))
        .order_by(rounds.c.round)
    )
    return [Tokens(*row) for row in await conn.execute(query)]


def weight(turn_id: str) -> Any:
    """A value for a turn's `weight`: characters of its moves and of what came of them."""
    said = select(
        func.coalesce(func.sum(func.length(rounds.c.text)), 0)
        + func.coalesce(func.sum(func.length(cast(rounds.c.raw, Text))), 0)
    ).where(rounds.c.turn_id == turn_id)
    done = select(
        func.coalesce(func.sum(func.length(calls.c.content)), 0)
        + func.coalesce(func.sum(func.length(cast(calls.c.input, Text))), 0)
    ).where(calls.c.turn_id == turn_id)
    return said.scalar_subquery() + done.scalar_subquery() + func.length(turns.c.content)


async def forget_rounds(conn: AsyncConnection, turn_ids: Sequence[str]) -> None:
    """Delete the moves and calls of turns that are over."""
    await conn.execute(delete(calls).where(calls.c.turn_id.in_(turn_ids)))
    await conn.execute(delete(rounds).where(rounds.c.turn_id.in_(turn_ids)))


async def _calls_of(conn: AsyncConnection, turn_ids: Sequence[str]) -> Sequence[Found]:
    query = (
        select(calls).where(calls.c.turn_id.in_(turn_ids)).order_by(calls.c.round, calls.c.place)
    )
    return (await conn.execute(query)).all()


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
