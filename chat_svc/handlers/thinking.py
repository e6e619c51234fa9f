"""A move of a turn: the orchestrator is asked for it, and it is stored before it acts."""

import asyncio
import re
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from chassis.bus.calls import Bus
from chassis.db.database import Database
from chassis.handling.patience import Later
from chat_svc import store, store_rounds
from chat_svc.acting import Decided, act, charge_for, decide
from chat_svc.ahead import Ahead, Known, offered_for
from chat_svc.limits import limit_reached, seconds_until
from chat_svc.marketplace import missing
from chat_svc.money import money_left
from chat_svc.orchestrator import (
    Move,
    Orchestrator,
    Situation,
    Spoiled,
    Trouble,
    TryLater,
)
from chat_svc.planner import Candidate
from chat_svc.recall import Past, recall
from chat_svc.settings import Settings
from chat_svc.speech import speaking
from chat_svc.wanted import while_wanted
from contracts.chat import Think
from contracts.envelope import Envelope
from contracts.errors import Invalid
from contracts.topology import Durable

log = structlog.get_logger()
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
SPOILED_REST_S = 3.0
"""How long a model is left alone after a move of it that was of no use."""
BEFORE_THE_DEADLINE_S = 1.0
"""So long before its deadline a turn stops listening to a model: what was used is on the bill."""


async def on_think(
    command: Think,
    db: Database,
    bus: Bus,
    durable: Durable,
    settings: Settings,
    orchestrator: Orchestrator,
    ahead: Ahead,
    here: Envelope,
) -> None:
    """Ask for the turn's next move, store it, and have it carried out; or end the turn with it.

    No transaction is open while the orchestrator thinks; a move that was stored meanwhile stays.

    Raises:
        Invalid: there is no such turn.
        Later: the orchestrator is to be asked again.
    """
    async with db.transaction(reads=True) as tx:
        turn = await store.find_turn(tx.conn, command.turn_id)
        if turn is None:
            raise Invalid(f"no turn {command.turn_id}")
        if not _is_due(turn, command):
            return
        reading = None if turn.round else ahead.take(turn.id)
        past = await recall(tx.conn, turn, settings) if reading is None else None
        used = await store_rounds.tokens_of(tx.conn, turn.id) if turn.round else []
    past, offered = await _known(turn, past, reading, db, bus, settings, here)
    agents = [one.candidate() for one in offered]
    left = await money_left(bus, turn, here)
    limit = limit_reached(
        settings,
        moves=turn.round,
        used=used,
        seconds_left=_seconds_left(turn),
        left=left,
        agents=agents,
    )
    situation = Situation(
        turn_id=turn.id,
        task_id=turn.task_id,
        said=turn.content,
        budget=turn.max_budget,
        left=left,
        agents=agents,
        history=past.history,
        rounds=past.rounds,
        last=limit is not None,
        seconds_left=max(0.0, _seconds_left(turn) - BEFORE_THE_DEADLINE_S),
    )
    asked = await _next_move(orchestrator, situation, turn, db, bus, here)
    if asked is None:
        return  # Whoever looks after overdue turns answers it, unless it was cancelled.
    more = await missing(bus, here, offered, *_wanted(asked.move))
    agents += [one.candidate() for one in more]
    decided = _decided(asked, limit, turn, past, agents)
    charge = charge_for(asked.move, used, left, settings)
    async with db.effect(durable.name, here) as tx:
        turn = await store.find_turn(tx.conn, command.turn_id, lock=True)
        if turn is None or not _is_due(turn, command):
            return
        await act(tx, turn, decided, orchestrator.name, charge, settings)


async def _known(
    turn: store.Found,
    past: Past | None,
    reading: "Awaitable[Known | None] | None",
    db: Database,
    bus: Bus,
    settings: Settings,
    here: Envelope,
) -> Known:
    """What a move is decided by: as it was read ahead, or with the past that was read now."""
    if reading is not None and (known := await reading) is not None:
        return known
    if past is None:
        async with db.transaction(reads=True) as tx:
            past = await recall(tx.conn, turn, settings)
    _let_rest(past, turn)
    return Known(past, await offered_for(bus, here, turn, past))


def _wanted(move: Move) -> tuple[list[str], list[str], list[str]]:
    """The ids and the skills that a move names, and of which ids anyone like them may take over.

    It may name anything.
    """
    ids: list[str] = []
    skills: list[str] = []
    alike: list[str] = []
    for call in move.calls:
        found = call.input if isinstance(call.input, Mapping) else {}
        others = found.get("alternatives")
        every = [found, *(others if isinstance(others, list) else [])]
        said = [one.get("agent_id") for one in every if isinstance(one, Mapping)]
        named = [id_ for id_ in said if isinstance(id_, str) and ID.fullmatch(id_)]
        ids += named
        skill = found.get("skill")
        if call.name == "invoke_agent" and not found.get("agent_id") and isinstance(skill, str):
            skills.append(skill)
        elif call.name == "invoke_agent" and others is None:
            alike += named
    return ids, skills, alike


def _is_due(turn: store.Found, command: Think) -> bool:
    return bool(turn.status == "thinking" and turn.round == command.round)


def _let_rest(past: Past, turn: store.Found) -> None:
    """Let a model alone for a while whose last move was of no use.

    Raises:
        Later: the while is not over.
    """
    if past.spoiled_at is None:
        return
    rest_s = SPOILED_REST_S - (datetime.now(UTC) - past.spoiled_at).total_seconds()
    if rest_s > 0:
        raise Later(min(rest_s, SPOILED_REST_S), turn.trouble or "", exactly=True)


def _seconds_left(turn: store.Found) -> float:
    return seconds_until(turn.deadline_at, datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What an orchestrator said.

    Attributes:
        ended: a sentence when the move is no answer, and nothing that can be carried out.
        spoiled: whether another move may be asked for then.
    """

    move: Move
    ended: str | None = None
    spoiled: bool = False


def _decided(
    asked: _Asked,
    limit: str | None,
    turn: store.Found,
    past: Past,
    agents: Sequence[Candidate],
) -> Decided:
    if asked.spoiled and limit is None and _seconds_left(turn) > SPOILED_REST_S:
        return Decided(asked.move, None, before=past.calls, spoiled=asked.ended)
    ended = asked.ended
    if ended is None and asked.move.calls and limit:
        ended = f"I had to stop here. {limit}"
    return decide(asked.move, ended, turn, past.calls, agents)


async def _next_move(
    orchestrator: Orchestrator,
    situation: Situation,
    turn: store.Found,
    db: Database,
    bus: Bus,
    here: Envelope,
) -> _Asked | None:
    """What the orchestrator says; None when the turn's time was over, or it was cancelled, before.

    Raises:
        Later: it is to be asked again.
    """
    try:
        return await _ask(orchestrator, situation, turn, db, bus, here)
    except TryLater as busy:
        log.warning("the orchestrator is busy", turn_id=turn.id, error=busy)
        if busy.delay_s >= _seconds_left(turn):
            return _Asked(Move(""), busy.message)
        async with db.transaction() as tx:
            await store.note_trouble(tx.conn, turn.id, busy.message)
        raise Later(busy.delay_s, busy.message, exactly=True) from busy


async def _ask(
    orchestrator: Orchestrator,
    situation: Situation,
    turn: store.Found,
    db: Database,
    bus: Bus,
    here: Envelope,
) -> _Asked | None:
    about = (here, turn.id, turn.task_id, turn.round)
    try:
        async with (
            asyncio.timeout(_seconds_left(turn)) as limit,
            while_wanted(db, turn, limit),
            speaking(bus, *about) as say,
        ):
            return _Asked(await orchestrator.move(situation, say))
    except Spoiled as spoiled:
        log.warning("a move of no use", turn_id=turn.id, error=spoiled)
        return _Asked(Move("", tokens=spoiled.tokens), spoiled.message, spoiled=True)
    except Trouble as trouble:
        log.warning("the orchestrator cannot go on", turn_id=turn.id, error=trouble)
        return _Asked(Move("", tokens=trouble.tokens), trouble.message)
    except TimeoutError:
        if limit.expired():
            return None
        raise
