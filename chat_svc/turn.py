"""The end of a turn: the assistant's message, stored once, with its bill."""

from chassis.database import Transaction
from chassis.envelopes import new_id
from chat_svc import store
from contracts.chat import CostBreakdown, MessagePosted, MessageView, TurnCompleted


async def finish(
    tx: Transaction,
    turn: store.Found,
    content: str,
    *,
    result: str | None = None,
    cost: CostBreakdown | None = None,
    with_task: bool = True,
) -> None:
    """Store the assistant's message and end the turn, whose row is locked.

    Args:
        tx: the transaction of the message that ended it.
        turn: the turn, not done yet.
        content: what the assistant says.
        result: what a follow-up may refer to.
        cost: the bill, None when nothing was charged.
        with_task: whether a task was made for the turn.
    """
    task_id = turn.task_id if with_task else None
    row = await store.insert_message(
        tx.conn,
        id=new_id(),
        account=turn.account,
        turn_id=turn.id,
        role="assistant",
        content=content,
        task_id=task_id,
        cost_breakdown=cost.model_dump(mode="json") if cost else None,
    )
    await store.update_turn(tx.conn, turn.id, status="done", result=result)
    view = message_view(row)
    tx.publish(
        MessagePosted(
            message_id=view.id,
            turn_id=turn.id,
            role="assistant",
            content=content,
            task_id=task_id,
        ),
        TurnCompleted(turn_id=turn.id, task_id=task_id, message=view),
        account=turn.account,
    )


def message_view(row: store.Found) -> MessageView:
    """A stored message as it is shown."""
    return MessageView.model_validate(row, from_attributes=True)
