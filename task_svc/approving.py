"""Steps that a person has to approve before money is set aside for them."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

from chassis.bus.calls import Bus
from contracts.approvals import ASK_APPROVAL, ApprovalState, AskApproval
from contracts.envelope import Envelope
from contracts.task import InvokeAgent
from task_svc.rows import Step

BegunT = TypeVar("BegunT")
LOOK_S = 2.0
"""A step that waits asks so often whether it may go on."""
PRICES = 3
"""So often a price may rise between its approval and the beginning of its step."""
NEW = "new"
"""What has no id yet; nothing is stored under it."""
WAITS = "This call waits for a person's approval: step {} of task {}."
REFUSALS: dict[ApprovalState, str] = {
    "rejected": "A person rejected this call.",
    "expired": "Nobody approved this call in time.",
    "over": "This call is over.",
}


class NotApproved(Exception):
    """A step needs a person's approval for `amount` BazaarBucks; whether it has it is to be asked.

    Attributes:
        amount: what its hold will have.
    """

    def __init__(self, amount: Decimal) -> None:
        """Say for how much."""
        super().__init__(amount)
        self.amount = amount


class _Sentence(Exception):
    """What came of asking, in words."""

    def __init__(self, message: str) -> None:
        """Say it."""
        super().__init__(message)
        self.message = message


class StillWaits(_Sentence):
    """Nobody has decided yet."""


class Rejected(_Sentence):
    """A person said no, or nobody said anything in time."""


async def begun(
    bus: Bus, step: Step, cause: Envelope, begin: Callable[[Decimal | None], Awaitable[BegunT]]
) -> BegunT:
    """The outcome of `begin`, which is given how much was approved and may ask for more.

    Raises:
        StillWaits, Rejected: it may not begin, yet or at all.
    """
    approved: Decimal | None = None
    for _ in range(PRICES):
        try:
            return await begin(approved)
        except NotApproved as needs:
            state = await _state_of(bus, step, needs.amount, cause)
            if state != "approved":
                break
            approved = needs.amount
    else:
        raise StillWaits("Its price rises faster than it is approved.")
    if state == "waiting":
        raise StillWaits(WAITS.format(step.id, step.task_id))
    raise Rejected(REFUSALS[state])


async def has_to_wait(bus: Bus, request: InvokeAgent, amount: Decimal, here: Envelope) -> bool:
    """Whether a call that is not stored yet will wait; only credentials with limits are asked."""
    if here.spender is None:
        return False
    asked = AskApproval(
        step_id=request.step_id or NEW,
        task_id=request.task_id or NEW,
        agent_id=request.agent_id,
        amount=amount,
        only_look=True,
    )
    return (await bus.ask(ASK_APPROVAL, asked, here)).state == "waiting"


async def _state_of(bus: Bus, step: Step, amount: Decimal, cause: Envelope) -> ApprovalState:
    """Whether a step may go on to a hold of `amount`; a person is told if it may not yet."""
    asked = AskApproval(
        step_id=step.id,
        task_id=step.task_id,
        agent_id=step.agent_id,
        amount=amount,
        turn_id=step.turn_id,
    )
    return (await bus.ask(ASK_APPROVAL, asked, cause)).state
