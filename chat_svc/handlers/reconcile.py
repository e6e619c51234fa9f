"""Turns that wait for a word which may have been lost on the way: it is asked for again.

Nothing is decided here: ends of steps and tasks are told again by the task service, orders are
given again with the ids that they had, and the turn goes on by its handlers.
"""

from collections.abc import Mapping, Sequence

import structlog
from pydantic import ValidationError

from chassis.bus.calls import Bus
from chassis.bus.envelopes import derived_id, origin
from chassis.db.away import is_away
from chassis.db.database import Database
from chassis.db.transaction import Transaction
from chat_svc import store, store_rounds, store_standing
from chat_svc.domain import CHARGE, StoredCall, skills_of, spec, step_id_of
from chat_svc.settings import Settings
from chat_svc.turn import end_again, order, start, think
from contracts.chat import UseTool
from contracts.envelope import Envelope
from contracts.errors import Refusal
from contracts.orders import AddSteps, StartTask
from contracts.standing import TELL_ENDS, EndsTold, Standing, TellEnds
from contracts.topology import COMMANDS
from contracts.turns import EndsOrdered, OrderEnds

log = structlog.get_logger()
AT_ONCE = 5
"""Turns that are looked after together: all their calls have to fit one question."""
STILL_KNOWN_S = COMMANDS.duplicate_window_s - 20
"""For so long the stream knows an order that it still has, and drops its repeat."""


async def order_ends(request: OrderEnds, db: Database) -> EndsOrdered:
    """Order again to end the tasks of those turns that are over; one that cannot is left out."""
    turns = dict[str, Standing]()
    for id_ in request.turn_ids:
        try:
            turns[id_] = await _order_end(db, id_)
        except Exception as error:
            if is_away(error):
                raise
            log.exception("a turn whose task cannot be ended", turn_id=id_)
    return EndsOrdered(turns=turns)


async def _order_end(db: Database, turn_id: str) -> Standing:
    async with db.transaction() as tx:
        turn = await store.find_turn(tx.conn, turn_id, lock=True)
        if turn is None:
            return "unknown"
        if turn.status != "done":
            return "open"
        tx.cause = _cause(turn)
        end_again(tx, turn, await store_rounds.calls_of(tx.conn, turn.id))
    log.info("end of a task ordered again", task_id=turn.task_id, turn_id=turn.id)
    return "ended"


async def ask_after_turns(db: Database, bus: Bus, settings: Settings) -> None:
    """Look after turns that have been open for long, each by one replica."""
    while True:
        async with db.transaction() as tx:
            due = await store_standing.claim_open(tx.conn, settings.reconcile_s, AT_ONCE)
            calls = await _readable_calls(tx, due)
        if not due:
            return
        readable = [turn for turn in due if turn.id in calls]
        told = await _ask(bus, readable, calls)
        for turn in readable:
            try:
                await _go_on(db, turn, told)
            except Exception as error:
                if is_away(error):
                    raise
                log.exception("a turn that cannot be gone on with", turn_id=turn.id)
        if len(due) < AT_ONCE:
            return


async def _readable_calls(
    tx: Transaction, due: Sequence[store.Found]
) -> dict[str, list[StoredCall]]:
    """The calls of turns; one that has some that nobody can read is in no other's way."""
    calls = dict[str, list[StoredCall]]()
    for turn in due:
        try:
            calls[turn.id] = await store_rounds.calls_of(tx.conn, turn.id)
        except ValidationError:
            log.exception("a turn that cannot be read", turn_id=turn.id)
    return calls


async def _ask(
    bus: Bus, due: Sequence[store.Found], calls: Mapping[str, Sequence[StoredCall]]
) -> EndsTold | None:
    """Have ends told again that these turns wait for; None when nobody can say.

    A task service that is away, or of a release that does not know the question, is asked later.
    """
    waiting = [turn for turn in due if turn.status in ("acting", "settling") and turn.task_begun]
    if not waiting:
        return None
    steps = [id_ for turn in waiting for id_ in _awaited(turn, calls[turn.id])]
    asked = TellEnds(step_ids=steps, task_ids=list({turn.task_id: None for turn in waiting}))
    try:
        return await bus.ask(TELL_ENDS, asked, origin("chat", "reconcile"))
    except Refusal as error:
        log.info("nobody says what became of steps", error=error)
        return None


def _awaited(turn: store.Found, calls: Sequence[StoredCall]) -> dict[str, StoredCall]:
    """The steps whose ends a turn waits for, and the calls that they carry out."""
    return {
        step_id_of(turn.id, call.id, call.work.attempt): call
        for call in calls
        if call.open and call.work
    }


async def _go_on(db: Database, seen: store.Found, told: EndsTold | None) -> None:
    async with db.transaction(_cause(seen)) as tx:
        turn = await store.find_turn(tx.conn, seen.id, lock=True)
        if turn is None or (turn.status, turn.round) != (seen.status, seen.round):
            return
        calls = await store_rounds.calls_of(tx.conn, turn.id)
        if turn.status == "thinking":
            # Later it could be one more that thinks, beside one who takes long.
            if await store_standing.moved_lately(tx.conn, turn, STILL_KNOWN_S):
                think(tx, turn)
            return
        for call in calls:
            if call.open and not call.work:
                _use_again(tx, turn, call)
        if told is not None and turn.task_begun:
            _order_again(tx, turn, calls, told)


def _use_again(tx: Transaction, turn: store.Found, call: StoredCall) -> None:
    tx.publish(
        UseTool(turn_id=turn.id, call_id=call.id),
        account=turn.account,
        message_id=derived_id(turn.id, call.id, "use again"),
    )


def _order_again(
    tx: Transaction, turn: store.Found, calls: Sequence[StoredCall], told: EndsTold
) -> None:
    """Order what the task service never heard of; ordered twice, it is done once."""
    task = told.tasks.get(turn.task_id)
    lost = [
        call
        for step_id, call in _awaited(turn, calls).items()
        if turn.status == "acting" and told.steps.get(step_id) == "unknown"
    ]
    if lost or task == "unknown":
        log.warning("order given again", task_id=turn.task_id, turn_id=turn.id, steps=len(lost))
        steps = [spec(turn.id, call, calls) for call in lost]
        make = start if task == "unknown" else order
        again: StartTask | AddSteps = make(turn, steps, skills_of(lost))
        # Of a turn that is settling, the task is made so that it can be ended.
        until = turn.deadline_at if steps else None
        tx.publish(again, account=turn.account, deadline=until)
    charging = any(call.open and call.tool == CHARGE for call in calls)
    if turn.status == "settling" and task != "ended" and not charging:
        end_again(tx, turn, calls)


def _cause(turn: store.Found) -> Envelope | None:
    return Envelope.model_validate(turn.cause) if turn.cause else None
