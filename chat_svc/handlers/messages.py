"""Messages: posted by people, listed for the UI."""

from typing import Annotated

from chassis.delivery import Here, Tx
from chassis.given import Given
from chassis.pages import encode_cursor, fitting, place_in_sequence
from chat_svc import store
from chat_svc.domain import message_id_of, task_id_of
from chat_svc.settings import Settings
from chat_svc.turn import message_view
from contracts.chat import (
    ForgetMessages,
    Forgotten,
    ListMessages,
    MessageList,
    MessagePosted,
    PostMessage,
    PostReply,
    Think,
)
from contracts.errors import Conflict, NotFound


async def post_message(
    request: PostMessage, tx: Tx, here: Here, settings: Annotated[Settings, Given("settings")]
) -> PostReply:
    """Store what a person said, with a turn and the order to think about it.

    Raises:
        Conflict: the turn's id was used for something else.
    """
    budget = settings.default_budget if request.max_budget is None else request.max_budget
    message_id = message_id_of(request.turn_id)
    fresh = await store.insert_turn(
        tx.conn,
        settings.turn_deadline_s,
        id=request.turn_id,
        account=here.account,
        status="thinking",
        content=request.content,
        max_budget=budget,
        task_id=task_id_of(request.turn_id),
        cause=here.model_dump(mode="json"),
    )
    if not fresh:
        return await _posted_before(request, tx, here.account, message_id)
    row = await store.insert_message(
        tx.conn,
        id=message_id,
        account=here.account,
        turn_id=request.turn_id,
        role="user",
        content=request.content,
    )
    tx.publish(
        MessagePosted(
            message_id=message_id,
            turn_id=request.turn_id,
            role="user",
            content=request.content,
        ),
        Think(turn_id=request.turn_id),
    )
    return PostReply(turn_id=request.turn_id, message=message_view(row))


async def _posted_before(request: PostMessage, tx: Tx, account: str, message_id: str) -> PostReply:
    row = await store.first_message(tx.conn, request.turn_id, message_id)
    if row is None or row.account != account or row.content != request.content:
        raise Conflict("This turn id was used for another message.")
    return PostReply(turn_id=request.turn_id, message=message_view(row))


async def list_messages(request: ListMessages, tx: Tx, here: Here) -> MessageList:
    """The account's newest messages, oldest first; fewer than asked for when they are heavy.

    With a task, only those about it; none for a task that the account does not have.
    """
    before = place_in_sequence(request)
    rows = await store.page_of_messages(
        tx.conn, here.account, request.limit, before, request.task_id
    )
    shown = fitting([message_view(row) for row in rows[: request.limit]])
    more = len(rows) > len(shown)
    return MessageList(
        messages=shown[::-1],
        next_cursor=encode_cursor(str(rows[len(shown) - 1].seq)) if more else None,
    )


async def forget_messages(request: ForgetMessages, tx: Tx, here: Here) -> Forgotten:
    """Delete what was said about a task; what it did and cost stays.

    Raises:
        NotFound: nothing was said about such a task in this account.
        Conflict: a turn works on it.
    """
    if await store.is_open(tx.conn, here.account, request.task_id):
        raise Conflict("HubChat is still working on this task; wait for its answer.")
    gone = await store.delete_messages(tx.conn, here.account, request.task_id)
    if not gone:
        raise NotFound("Nothing was said about this task.")
    await store.forget_turns(tx.conn, here.account, request.task_id)
    return Forgotten(messages=gone)
