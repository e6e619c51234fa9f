"""Bodies of errors."""

from contracts.api.amounts import Number, SumNumber
from contracts.base import Model


class PaymentProblem(Model):
    """The body of a 402, for programs: what is missing, and where to get it.

    Attributes:
        type: `urn:agentbazaar:problem:payment-required`, always.
        required: BazaarBucks that would have to be there.
        available: what is there: in the wallet, or of the session that asks.
        top_up: the address that a top-up is posted to, when one would help.
    """

    error: str
    type: str = "urn:agentbazaar:problem:payment-required"
    title: str
    status: int
    detail: str
    required: Number | None = None
    available: SumNumber | None = None
    top_up: str | None = None


class Problem(Model):
    """Every error's body: `error` is a sentence for people, the rest is RFC 9457."""

    error: str
    type: str = "about:blank"
    title: str
    status: int
    detail: str
