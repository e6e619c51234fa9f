"""Messages: posted by people, listed for the UI."""

from decimal import Decimal
from functools import partial
from typing import NamedTuple

from chassis.bus.calls import Bus
from chassis.db.database import Database
from chassis.db.pages import next_in_sequence, place_in_sequence
from chassis.db.transaction import Transaction
from chassis.handling.injection import Reading
from chassis.handling.listing import Listed, Listing
from chat_svc import store, store_rounds
from chat_svc.ahead import Ahead
from chat_svc.domain import message_id_of, task_id_of
from chat_svc.settings import Settings
from chat_svc.turn import message_view, think_id
from contracts import api
from contracts.chat import (
    ForgetMessages,
    Forgotten,
    ListMessages,
    MessageList,
    MessagePosted,
    MessageView,
    PostMessage,
    PostReply,
    Think,
)
from contracts.envelope import Envelope
from contracts.errors import Busy, Conflict, Invalid, NotFound
from contracts.task import GET_TASK, GetTask
from contracts.turns import GetTurn, TurnView

MESSAGES = Listing(MessageList, MessageView, api.Message)
FORGOTTEN = "What was said here was forgotten."
WORKING = "HubChat is still working on this task; wait for its answer."


async def post_message(
    request: PostMessage,
    db: Database,
    bus: Bus,
    settings: Settings,
    ahead: Ahead,
    here: Envelope,
) -> PostReply:
    """Store what a person said, with a turn and the order to think about it.

    Posted again, the same turn is answered the same, with its answer once there is one.

    Raises:
        Busy: another turn works on the task.
        Conflict: the turn's id was used for something else.
        NotFound: the account has no such task.
        Invalid: the budget is smaller than the task's.
    """
    task = await _task(request, db, bus, settings, here)
    async with db.transaction(here) as tx:
        return await _post(request, tx, here, settings, task, ahead)


class _Task(NamedTuple):
    """The task that a turn is to use; the budget is in BazaarBucks."""

    id: str
    budget: Decimal
    begun: bool


async def _task(
    request: PostMessage, db: Database, bus: Bus, settings: Settings, here: Envelope
) -> _Task:
    if request.task_id is None:
        asked = request.max_budget
        budget = settings.default_budget if asked is None else asked
        return _Task(task_id_of(request.turn_id), budget, begun=False)
    async with db.transaction(reads=True) as tx:
        before = await store.find_turn(tx.conn, request.turn_id)
        last = before or await store.last_turn_of(tx.conn, here.account, request.task_id)
    if before is not None:  # What it was allowed then is no question any more.
        return _Task(request.task_id, before.max_budget, before.task_begun)
    if last is None:  # It may have been made by hand.
        known = (await bus.ask(GET_TASK, GetTask(task_id=request.task_id), here)).task
        so_far, begun = known.max_budget, True
    else:
        so_far, begun = last.max_budget, last.task_begun or last.progress is not None
    budget = so_far if request.max_budget is None else request.max_budget
    if budget < so_far:
        raise Invalid(
            f"maxBudget: the task's budget is {so_far.normalize():f} BazaarBucks already, "
            "and can only grow."
        )
    return _Task(request.task_id, budget, begun)


async def _post(
    request: PostMessage,
    tx: Transaction,
    here: Envelope,
    settings: Settings,
    task: _Task,
    ahead: Ahead,
) -> PostReply:
    message_id = message_id_of(request.turn_id)
    told = task.id if task.begun else None
    turn = await store.insert_turn(
        tx.conn,
        settings.turn_deadline_s,
        id=request.turn_id,
        account=here.account,
        status="thinking",
        content=request.content,
        max_budget=task.budget,
        task_id=task.id,
        task_begun=task.begun,
        cause=here.model_dump(mode="json"),
    )
    if turn is None:
        return await _posted_before(request, tx, here.account, message_id, task)
    ahead.begin(turn, here)
    tx.otherwise(partial(ahead.forget, turn.id))
    row = await store.insert_message(
        tx.conn,
        id=message_id,
        account=here.account,
        turn_id=request.turn_id,
        role="user",
        content=request.content,
        task_id=told,
    )
    tx.publish(
        MessagePosted(
            message_id=message_id,
            turn_id=request.turn_id,
            role="user",
            content=request.content,
            task_id=told,
        )
    )
    tx.publish(Think(turn_id=request.turn_id), message_id=think_id(request.turn_id, 0))
    return PostReply(turn_id=request.turn_id, message=message_view(row), task_id=task.id)


async def _posted_before(
    request: PostMessage, tx: Transaction, account: str, message_id: str, task: _Task
) -> PostReply:
    turn = await store.find_turn(tx.conn, request.turn_id)
    if turn is None:
        raise Busy(WORKING)
    row = await store.first_message(tx.conn, request.turn_id, message_id)
    if row is None and turn.account == account and not turn.content:
        raise Conflict(FORGOTTEN)
    if row is None or row.account != account or row.content != request.content:
        raise Conflict("This turn id was used for another message.")
    answer = await store.answer_of(tx.conn, turn.id) if turn.status == "done" else None
    return PostReply(
        turn_id=request.turn_id,
        message=message_view(row),
        task_id=task.id,
        answer=None if answer is None else message_view(answer),
    )


async def list_messages(request: ListMessages, tx: Reading, here: Envelope) -> Listed[MessageList]:
    """The account's newest messages, oldest first; fewer than asked for when they are heavy.

    With a task, only those about it; none for a task that the account does not have.
    """
    before = place_in_sequence(request)
    rows = await store.page_of_messages(
        tx.conn, here.account, request.limit, before, request.task_id
    )
    return Listed(MESSAGES, rows, request.limit, next_in_sequence, newest_last=True)


async def get_turn(request: GetTurn, tx: Reading, here: Envelope) -> TurnView:
    """What became of a turn of the account.

    Raises:
        NotFound: it has none with that id.
    """
    turn = await store.find_turn(tx.conn, request.turn_id)
    if turn is None or turn.account != here.account:
        raise NotFound("Turn not found")
    done = turn.status == "done"
    answer = await store.answer_of(tx.conn, turn.id) if done else None
    return TurnView(
        turn_id=turn.id,
        task_id=turn.task_id if turn.task_begun or not done else None,
        done=done,
        message=message_view(answer) if answer else None,
    )


async def forget_messages(request: ForgetMessages, tx: Transaction, here: Envelope) -> Forgotten:
    """Delete what was said about a task; what it did and cost stays.

    Raises:
        NotFound: nothing was said about such a task in this account.
        Busy: a turn works on it.
    """
    gone = await store.delete_messages(tx.conn, here.account, request.task_id)
    turn_ids = await store.forget_turns(tx.conn, here.account, request.task_id)
    await store_rounds.forget_rounds(tx.conn, turn_ids)
    # Last: of a turn that was posted meanwhile, nothing may be forgotten either.
    if await store.is_open(tx.conn, here.account, request.task_id):
        raise Busy(WORKING)
    if not gone:
        raise NotFound("Nothing was said about this task.")
    return Forgotten(messages=gone)
