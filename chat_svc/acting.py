"""From a move to what it sets in motion: rows, orders to the task service, the turn's end."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import structlog

from chassis.bus.calls import MAX_MESSAGE_BYTES, encoded
from chassis.db.transaction import Transaction
from chat_svc import store, store_rounds
from chat_svc.checks import Unusable, check, failure
from chat_svc.domain import StoredCall, readable, skills_of, spec
from chat_svc.orchestrator import Move, Tokens
from chat_svc.planner import Candidate
from chat_svc.reasons import planned_step
from chat_svc.settings import Settings
from chat_svc.turn import close, order, order_steps, think, worth
from contracts.chat import PlanProposed, UseTool
from contracts.orders import StepSpec

log = structlog.get_logger()
MOST_ORDER_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
"""The most that an order may weigh by itself; it travels with a little more."""
TOO_LONG = "This is too long for one order: send less text, or use fewer agents at once."
UNUSABLE = "I could not go on: what was decided cannot be carried out."


@dataclass(frozen=True, slots=True)
class Decided:
    """A move and what is to come of it.

    Attributes:
        ended: why the turn ends here though the move is no answer; None when it is, or goes on.
        calls: of this move, as they are to be stored.
        steps: the orders for those that are an agent's work.
        before: calls of earlier moves.
        spoiled: why the move is of no use, when another one is to be made in its place.
        agents: who it was decided among.
    """

    move: Move
    ended: str | None
    calls: Sequence[StoredCall] = ()
    steps: Sequence[StepSpec] = ()
    before: Sequence[StoredCall] = ()
    spoiled: str | None = None
    agents: Sequence[Candidate] = ()


def decide(
    move: Move,
    ended: str | None,
    turn: store.Found,
    before: Sequence[StoredCall],
    agents: Sequence[Candidate],
) -> Decided:
    """Check a move and turn it into orders; pure, and it may take a while.

    Args:
        move: the orchestrator's.
        ended: why the turn ends here all the same.
        turn: the turn.
        before: calls of its earlier moves.
        agents: the marketplace.
    """
    if ended is not None:
        return Decided(move, ended, before=before)
    try:
        calls = check(move.calls, turn.round, before, agents, turn.content)
    except Unusable:
        log.warning("move without usable ids", turn_id=turn.id)
        return Decided(move, UNUSABLE, before=before)
    steps = [spec(turn.id, call, (*before, *calls)) for call in calls if call.work]
    if steps and len(encoded(order(turn, steps, skills_of(calls)))) > MOST_ORDER_BYTES:
        calls = [
            replace(call, work=None, content=failure(TOO_LONG), error=True) if call.work else call
            for call in calls
        ]
        steps = []
    return Decided(move, None, calls, steps, before, agents=agents)


def charge_for(move: Move, used: Sequence[Tokens], left: Decimal, settings: Settings) -> Decimal:
    """BazaarBucks that the user pays for the language model, should the turn end with this move.

    One is worth a dollar; what the budget does not cover is not charged.
    """
    return worth([*used, *([move.tokens] if move.tokens else [])], left, settings)


async def act(
    tx: Transaction,
    turn: store.Found,
    decided: Decided,
    name: str,
    charge: Decimal,
    settings: Settings,
) -> None:
    """Store a move and let it act, in one transaction; the turn's row is locked.

    Args:
        tx: the transaction of the order to think.
        turn: whose next move it is.
        decided: the move.
        name: of the orchestrator.
        charge: as `charge_for` says.
        settings: of the service.
    """
    await _store_move(tx, turn, decided.move)
    if decided.spoiled is not None:
        changes = {"round": turn.round + 1, "orchestrator": name, "trouble": decided.spoiled}
        turn = await store.update_turn(tx.conn, turn.id, **changes)
        think(tx, turn)
        return
    await store_rounds.insert_calls(tx.conn, turn.id, decided.calls)
    if decided.steps:
        await _propose(tx, turn, decided, name)
    made = {"round": turn.round + 1, "orchestrator": name, "trouble": None}
    if not decided.calls:
        await close(
            tx,
            turn,
            "\n\n".join(part for part in (decided.move.text, decided.ended) if part),
            decided.before,
            settings,
            result=decided.move.result,
            stopped=decided.ended is not None,
            charge=charge,
            refused=decided.move.refused,
            changes=made,
        )
        return
    turn = await store.update_turn(
        tx.conn,
        turn.id,
        **made,
        task_begun=turn.task_begun or bool(decided.steps),
        status="acting" if any(call.open for call in decided.calls) else "thinking",
    )
    if turn.status == "thinking":
        think(tx, turn)
    else:
        for call in decided.calls:
            if call.open and call.work is None:
                tx.publish(UseTool(turn_id=turn.id, call_id=call.id), account=turn.account)


async def _store_move(tx: Transaction, turn: store.Found, move: Move) -> None:
    tokens = move.tokens
    await store_rounds.insert_round(
        tx.conn,
        turn_id=turn.id,
        round=turn.round,
        text=readable(move.text),
        raw=move.raw,
        model=tokens.model[:100] if tokens else None,
        input_tokens=tokens.input if tokens else 0,
        output_tokens=tokens.output if tokens else 0,
        cached_tokens=tokens.cached if tokens else 0,
        written_tokens=tokens.written if tokens else 0,
    )


async def _propose(tx: Transaction, turn: store.Found, decided: Decided, name: str) -> None:
    steps = list(decided.steps)
    work = [call.work for call in decided.calls if call.work]
    planned = [
        planned_step(step, done, decided.agents) for step, done in zip(steps, work, strict=True)
    ]
    tx.publish(
        PlanProposed(
            turn_id=turn.id,
            task_id=turn.task_id,
            orchestrator=name,
            steps=planned,
            round=turn.round,
        ),
        account=turn.account,
    )
    await order_steps(tx, turn, steps, skills_of(decided.calls))
