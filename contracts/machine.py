"""Messages about payments by machines: of what a wallet lacks, and to agents.

What is signed and what is asked for travels as it stands in the headers of HTTP: only the payment
service reads it.
"""

from typing import Annotated

from pydantic import Field

from contracts.base import Call, Id, Model, Money
from contracts.ledger import Paid

MOST_HEADER = 16_384
"""Characters of a header that says what is to be paid, or has a signed payment."""
Header = Annotated[str, Field(min_length=1, max_length=MOST_HEADER)]


class OfferMachinePayment(Model):
    """Asks how a machine pays for what lacks in the wallet of the account.

    Raises (over the bus): `Conflict` when machines pay nothing here, or the account is closed.

    Attributes:
        amount: BazaarBucks that lack.
        resource: what is asked for, as a URL.
        error: why the payment that came was not taken, as a sentence.
    """

    amount: Paid
    resource: str = Field(max_length=2_000)
    error: str | None = Field(default=None, max_length=500)


class MachineOffer(Model):
    """The headers of a 402 that say it: `PAYMENT-REQUIRED`, perhaps `WWW-Authenticate`."""

    headers: dict[str, str]


class TakeMachinePayment(Model):
    """Brings a signed payment, which is settled and credited once.

    The same payment again is answered the same. Raises (over the bus): `Conflict` when machines pay
    nothing here, `Busy` when it is not known yet whether it is settled, `Unavailable` when the
    facilitator does not answer: the same payment may be sent again.

    Attributes:
        signature: the header `PAYMENT-SIGNATURE` of x402.
        credential: the header `Payment-Authorization` of MPP; without a signature.
        resource: what is asked for, as a URL.
    """

    signature: Header | None = None
    credential: Header | None = None
    resource: str = Field(default="", max_length=2_000)


class MachinePaid(Model):
    """What came of it.

    Attributes:
        credited: BazaarBucks that came into the wallet, now or when it was sent first.
        headers: of the answer: `PAYMENT-RESPONSE` or `Payment-Receipt`; of a payment that was
            refused, what is to be paid in its place.
        refused: why it was not taken, as a sentence; nothing was credited then.
    """

    credited: Money
    headers: dict[str, str]
    refused: str | None = None


class PayAgent(Model):
    """Asks for a signed payment to an agent that answered 402, within the hold of its step.

    For the same work the same payment is given, until it cannot be settled any more. Raises (over
    the bus): `PaymentRequired` without a payer, or when the agent wants what is not paid or more
    than is held; `Conflict` while it is not known what became of an earlier payment for the work;
    `NotFound` without an open hold.

    Attributes:
        hold_id: the step's id.
        work: the Idempotency-Key that the agent knows the work by.
        agent_id: who is paid.
        required: the header `PAYMENT-REQUIRED` of its answer.
    """

    hold_id: Id
    work: Id
    agent_id: Id
    required: Header


class AgentPayment(Model):
    """A signed payment to an agent, as the header `PAYMENT-SIGNATURE`.

    Attributes:
        amount: BazaarBucks that it is worth: what the step pays for it.
        pay_to: whose address gets it.
    """

    signature: Header
    amount: Money
    pay_to: str = Field(max_length=100)


OFFER_MACHINE_PAYMENT = Call("payment", "offer_machine_payment", OfferMachinePayment, MachineOffer)
TAKE_MACHINE_PAYMENT = Call(
    "payment", "take_machine_payment", TakeMachinePayment, MachinePaid, timeout_ms=25_000
)
PAY_AGENT = Call("payment", "pay_agent", PayAgent, AgentPayment)
