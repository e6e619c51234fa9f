"""Messages of the payment service about steps that a person has to approve."""

from typing import Literal

from contracts.base import Call, Id, Model, Moment, Money, Page, TaskEvent

ApprovalState = Literal["waiting", "approved", "rejected", "expired", "over"]
"""`over`: its step ended before anybody decided."""


class AskApproval(Model):
    """Asks whether a step may go on to its hold; asked again and again while it waits.

    Attributes:
        amount: BazaarBucks that are to be held; what was approved is good for no more.
        only_look: whether nobody is to be told yet: the step is not stored.
    """

    step_id: Id
    task_id: Id
    agent_id: Id
    amount: Money
    turn_id: Id | None = None
    only_look: bool = False


class ApprovalReply(Model):
    """Whether a step may go on; `approved` also when nobody has to approve it."""

    state: ApprovalState


class ApprovalView(Model):
    """A step that waits, or waited, for a person.

    Attributes:
        amount: the most BazaarBucks that it may cost.
        spender: the credential that it was asked for with.
        expires_at: until when it may be approved.
    """

    step_id: Id
    task_id: Id
    agent_id: Id
    amount: Money
    spender: Id
    turn_id: Id | None = None
    state: ApprovalState
    created_at: Moment
    expires_at: Moment
    decided_at: Moment | None = None


class DecideApproval(Model):
    """Approves or rejects a step that waits; decided the same again, it is answered the same.

    Raises (over the bus): `NotFound` when nothing of the account waits or waited under this id,
    `Conflict` when it was decided otherwise or comes too late, or by a credential with limits.
    """

    step_id: Id
    approve: bool


class ListApprovals(Page):
    """Asks for the account's approvals, newest first."""


class ApprovalList(Model):
    """A page of approvals."""

    approvals: list[ApprovalView]
    next_cursor: str | None = None


class StepApprovalRequested(TaskEvent):
    """A step waits for a person: it costs more than its credential may spend unasked.

    Attributes:
        amount: the most BazaarBucks that it may cost.
        expires_at: then it fails, and costs nothing.
    """

    type = "step.approval_requested"
    step_id: Id
    agent_id: Id
    amount: Money
    spender: Id
    expires_at: Moment
    turn_id: Id | None = None


class StepApprovalDecided(TaskEvent):
    """It does not wait any more, and why."""

    type = "step.approval_decided"
    step_id: Id
    agent_id: Id
    state: ApprovalState
    turn_id: Id | None = None


ASK_APPROVAL = Call("payment", "ask_approval", AskApproval, ApprovalReply)
DECIDE_APPROVAL = Call("payment", "decide_approval", DecideApproval, ApprovalView)
LIST_APPROVALS = Call("payment", "list_approvals", ListApprovals, ApprovalList)
