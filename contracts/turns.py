"""What is asked about turns of HubChat: how one stands, that it is to end, that it has ended."""

from pydantic import Field

from contracts.base import Call, Id, Model
from contracts.chat import MessageView
from contracts.standing import MOST, Standing


class GetTurn(Model):
    """Asks what became of a turn; `NotFound` when the account has none with this id."""

    turn_id: Id


class TurnView(Model):
    """A turn as it stands.

    Attributes:
        task_id: the task that it used; while it goes on, the one that it would use.
        done: whether it has come to its end.
        message: the assistant's; None before the end, and when it was forgotten.
    """

    turn_id: Id
    task_id: Id | None = None
    done: bool
    message: MessageView | None = None


class CancelTurn(Model):
    """Cancels a turn; `NotFound` when the account has none.

    One that has ended, or whose end is ordered, stays as it is.

    Attributes:
        turn_id: which turn.
        task_id: without a turn's id, the newest turn that worked on this task.
    """

    turn_id: Id | None = None
    task_id: Id | None = None


class CancelledTurn(Model):
    """What became of a turn that was to be cancelled.

    Attributes:
        task_id: the task that it used; None when there was none.
        cancelled: whether it was cancelled, now or before.
        done: whether it has come to its end, and nothing of it is to be settled.
    """

    turn_id: Id
    task_id: Id | None = None
    cancelled: bool
    done: bool


class OrderEnds(Model):
    """Asks for the orders to end tasks to be given again, of those turns that are over."""

    turn_ids: list[Id] = Field(max_length=MOST)


class EndsOrdered(Model):
    """How the turns stand; `task.finish` follows for those that have ended."""

    turns: dict[str, Standing]


ORDER_ENDS = Call("chat", "order_ends", OrderEnds, EndsOrdered)
GET_TURN = Call("chat", "get_turn", GetTurn, TurnView)
CANCEL_TURN = Call("chat", "cancel_turn", CancelTurn, CancelledTurn)
