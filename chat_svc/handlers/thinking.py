"""A move of a turn: the orchestrator is asked for it, and it is stored before it acts."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import structlog

from chassis.bus import Bus
from chassis.database import Database
from chassis.delivery import Here, Later
from chassis.given import Given
from chat_svc import store, store_rounds
from chat_svc.acting import act, charge_for, decide
from chat_svc.limits import limit_reached, seconds_until
from chat_svc.marketplace import candidate, list_agents
from chat_svc.money import money_left
from chat_svc.orchestrator import Move, Orchestrator, Situation, Trouble, TryLater
from chat_svc.recall import recall
from chat_svc.settings import Settings
from chat_svc.speech import speaking
from chat_svc.wanted import while_wanted
from contracts.chat import Think
from contracts.envelope import Envelope
from contracts.errors import Invalid
from contracts.topology import Durable

log = structlog.get_logger()


async def on_think(
    command: Think,
    db: Annotated[Database, Given("db")],
    bus: Annotated[Bus, Given("bus")],
    durable: Annotated[Durable, Given("durable")],
    settings: Annotated[Settings, Given("settings")],
    orchestrator: Annotated[Orchestrator, Given("orchestrator")],
    here: Here,
) -> None:
    """Ask for the turn's next move, store it, and have it carried out; or end the turn with it.

    No transaction is open while the orchestrator thinks; a move that was stored meanwhile stays.

    Raises:
        Invalid: there is no such turn.
        Later: the orchestrator is to be asked again.
    """
    async with db.transaction() as tx:
        turn = await store.find_turn(tx.conn, command.turn_id)
        if turn is None:
            raise Invalid(f"no turn {command.turn_id}")
        if not _is_due(turn, command):
            return
        past = await recall(tx.conn, turn, settings)
        used = await store_rounds.tokens_of(tx.conn, turn.id)
    agents = [candidate(agent) for agent in await list_agents(bus, here)]
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
    )
    try:
        answered = await _ask(orchestrator, situation, turn, db, bus, here)
    except TryLater as busy:
        log.warning("the orchestrator is busy", turn_id=turn.id, error=busy)
        if busy.delay_s < _seconds_left(turn):
            async with db.transaction() as tx:
                await store.note_trouble(tx.conn, turn.id, busy.message)
            raise Later(busy.delay_s, busy.message, exactly=True) from busy
        answered = Move(""), busy.message
    if answered is None:
        return  # Whoever looks after overdue turns answers it, unless it was cancelled.
    move, ended = answered
    if ended is None and move.calls and limit:
        ended = f"I had to stop here. {limit}"
    decided = decide(move, ended, turn, past.calls, agents)
    charge = charge_for(move, used, left, settings)
    async with db.effect(durable.name, here) as tx:
        turn = await store.find_turn(tx.conn, command.turn_id, lock=True)
        if turn is None or not _is_due(turn, command):
            return
        await act(tx, turn, decided, orchestrator.name, charge, settings)


def _is_due(turn: store.Found, command: Think) -> bool:
    return bool(turn.status == "thinking" and turn.round == command.round)


def _seconds_left(turn: store.Found) -> float:
    return seconds_until(turn.deadline_at, datetime.now(UTC))


async def _ask(
    orchestrator: Orchestrator,
    situation: Situation,
    turn: store.Found,
    db: Database,
    bus: Bus,
    here: Envelope,
) -> tuple[Move, str | None] | None:
    """The next move, and a sentence when it ends the turn without an answer.

    Returns:
        None when the turn's time was over, or it was cancelled, before the orchestrator spoke.

    Raises:
        TryLater: it is to be asked again.
    """
    about = (here, turn.id, turn.task_id, turn.round)
    try:
        async with (
            asyncio.timeout(_seconds_left(turn)) as limit,
            while_wanted(db, turn, limit),
            speaking(bus, *about) as say,
        ):
            return await orchestrator.move(situation, say), None
    except Trouble as trouble:
        log.warning("the orchestrator cannot go on", turn_id=turn.id, error=trouble)
        return Move("", tokens=trouble.tokens), trouble.message
    except TimeoutError:
        if limit.expired():
            return None
        raise
