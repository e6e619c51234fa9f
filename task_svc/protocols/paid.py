"""The second request to an agent that answered 402: with a payment, after which nothing is sure.

An agent of x402 takes its money after its work, and says 402 also when it could not: so whatever
is no result, the payment may have been taken.
"""

from dataclasses import dataclass, replace

from task_svc import paying
from task_svc.answers import SUCCESSES, AgentFailure, Work, read
from task_svc.protocols.asking import Asking, Question
from task_svc.protocols.job import AgentAnswer, Pay, Signed

SIGNATURE = "PAYMENT-SIGNATURE"


@dataclass(frozen=True, slots=True)
class Paid:
    """Work that was paid outside."""

    work: Work
    signed: Signed

    def answer(self, took_ms: int) -> AgentAnswer:
        """As a step has it: what the agent was paid is all that it gets."""
        told = self.work.model_dump() | {
            "external_cost": self.signed.amount,
            "vendor": self.work.vendor or f"x402 {self.signed.pay_to}",
        }
        return AgentAnswer(**told, execution_time=took_ms, outside=True)


async def ask_again(asking: Asking, pay: Pay, asked: Question, required: str) -> Paid:
    """Have a payment signed, and ask once more with it.

    Args:
        asking: the way to the agent.
        pay: signs.
        asked: the first request.
        required: what its answer asks for.

    Raises:
        AgentFailure: it is not paid, or gave no result for its payment.
    """
    signed = await pay(required)
    try:
        said = await asking.send(
            replace(asked, headers=asked.headers | {SIGNATURE: signed.signature})
        )
        if said.status not in SUCCESSES:
            raise paying.unknown()
        return Paid(read(said.status, said.body, Work), signed)
    except AgentFailure:
        raise paying.unknown() from None
