"""Messages about disputes: a payer wants money back after the time in which nobody asks why."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.base import Call, Event, Id, Model, Moment, Money, Page
from contracts.ledger import Paid

DisputeStatus = Literal["disputed", "accepted", "refused"]
Note = Annotated[str, Field(min_length=1, max_length=2_000)]


class OpenDispute(Model):
    """Asks for a payment back beyond `REFUND_GRACE_S`; its seller or an admin decides.

    Raises (over the bus): `NotFound`, `Invalid` when it is no agent's payment or less is left,
    `Conflict` when nobody has to be asked yet, or it was disputed before.

    Attributes:
        dispute_id: chosen by the caller; the same again is the same dispute.
        amount: BazaarBucks; all that is left when None.
    """

    dispute_id: Id
    payment_id: Id
    note: Note
    amount: Paid | None = None


class DisputeView(Model):
    """A dispute, as both sides and admins see it.

    Attributes:
        seller: whose agent it was; None when it is the operator's own, and an admin decides.
        amount: what is asked for; None for all that is left.
        decision_note: what was said with the decision.
    """

    id: Id
    payment_id: Id
    agent_id: Id
    payer: Id
    seller: Id | None = None
    amount: Money | None = None
    status: DisputeStatus
    payer_note: str
    seller_note: str | None = None
    decision_note: str | None = None
    created_at: Moment
    decided_at: Moment | None = None


class DisputeReply(Model):
    """One dispute."""

    dispute: DisputeView


class NoteDispute(Model):
    """Says one's own side of a dispute that is not decided, in place of what was said before."""

    dispute_id: Id
    note: Note


class DecideDispute(Model):
    """Decides a dispute: its seller may accept it, an admin may do either.

    Attributes:
        accept: whether the payer gets the money back.
        as_admin: whether who asks is one; the gateway says so.
    """

    dispute_id: Id
    accept: bool
    note: Note | None = None
    as_admin: bool = False


class ListDisputes(Page):
    """Asks for the disputes of the account, as payer or as seller, newest first.

    Attributes:
        as_admin: those of all accounts.
    """

    as_admin: bool = False


class DisputeList(Model):
    """A page of disputes."""

    disputes: list[DisputeView]
    next_cursor: str | None = None


class DisputeOpened(Event):
    """A payer wants a payment back; told to both sides."""

    type = "dispute.opened"
    dispute_id: Id
    payment_id: Id
    agent_id: Id
    status: DisputeStatus

    def entity_id(self) -> str:
        """The dispute's id."""
        return self.dispute_id


class DisputeNoted(DisputeOpened):
    """A side of a dispute was said."""

    type = "dispute.noted"


class DisputeDecided(DisputeOpened):
    """A dispute was decided; what is given back is told as `payment.refunded`."""

    type = "dispute.decided"


OPEN_DISPUTE = Call("payment", "open_dispute", OpenDispute, DisputeReply)
NOTE_DISPUTE = Call("payment", "note_dispute", NoteDispute, DisputeReply)
DECIDE_DISPUTE = Call("payment", "decide_dispute", DecideDispute, DisputeReply)
LIST_DISPUTES = Call("payment", "list_disputes", ListDisputes, DisputeList)
