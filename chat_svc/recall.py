"""What an orchestrator is told: the turn so far and what was said before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from chat_svc import store, store_rounds
from chat_svc.checks import failure
from chat_svc.domain import CHARGE, StoredCall, task_id_of
from chat_svc.orchestrator import Exchange, Round, ToolCall, ToolResult
from chat_svc.settings import Settings

STOPPED = failure("It was stopped before it came to an end.")


@dataclass(frozen=True, slots=True)
class Past:
    """A turn so far.

    Attributes:
        calls: of its moves, in order.
        rounds: its moves.
        history: earlier turns, oldest first.
        spoiled_at: when the last move was made, if nothing could be done with it.
    """

    calls: list[StoredCall]
    rounds: tuple[Round, ...]
    history: list[Exchange]
    spoiled_at: datetime | None


async def recall(conn: AsyncConnection, turn: store.Found, settings: Settings) -> Past:
    """Read all that a turn's next move depends on, as far as it is kept here.

    A turn that goes on with a task remembers what was said about it; any other remembers the
    account's conversation.
    """
    going_on = turn.task_id != task_id_of(turn.id)
    earlier = await store.history(conn, turn, settings.history_turns, only_task=going_on)
    kept = _within(earlier, settings.history_chars)
    whole = [one.id for one, with_moves in kept if with_moves]
    moves = await store_rounds.moves_of(conn, turn.id, whole)
    history = [
        Exchange(
            said=one.content,
            answer=one.answer or one.result or "",
            rounds=rounds_of(*moves[one.id]) if one.id in moves else (),
            task_id=one.task_id,
            result=one.result,
        )
        for one, _ in reversed(kept)
    ]
    made, calls = moves[turn.id]
    last = made[-1] if made else None
    spoiled = last is not None and all(call.round != last.round for call in calls)
    since = last.created_at if last is not None and spoiled else None
    return Past(calls, rounds_of(made, calls), history, since)


def _within(earlier: Sequence[store.Found], most: int) -> list[tuple[store.Found, bool]]:
    """The newest of them that are not too much together, and whether with all their moves."""
    kept: list[tuple[store.Found, bool]] = []
    for one in earlier:
        most -= len(one.content) + len(one.answer or "")
        if most < 0:
            break
        with_moves = one.weight <= most
        most -= one.weight if with_moves else 0
        kept.append((one, with_moves))
    return kept


def rounds_of(moves: Sequence[store.Found], calls: Sequence[StoredCall]) -> tuple[Round, ...]:
    """Moves with calls; one without is the answer."""
    found = []
    for move in moves:
        made = [call for call in calls if call.round == move.round and call.tool != CHARGE]
        if made:
            found.append(
                Round(
                    text=move.text,
                    calls=tuple(ToolCall(call.id, call.tool, call.input) for call in made),
                    results=tuple(
                        ToolResult(call.id, call.content or STOPPED, call.error or call.open)
                        for call in made
                    ),
                    raw=move.raw,
                )
            )
    return tuple(found)
