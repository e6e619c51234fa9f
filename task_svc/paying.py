"""Agents that answer 402 and are paid by x402: payment signs, within the hold of the step."""

from decimal import Decimal

from chassis.bus.calls import Bus
from contracts.envelope import Envelope
from contracts.errors import Conflict, PaymentRequired
from contracts.machine import PAY_AGENT, PayAgent
from task_svc.answers import AgentFailure
from task_svc.domain import Quote, Split
from task_svc.protocols.job import AgentAnswer, Signed
from task_svc.rows import Step

UNKNOWN = (
    "The agent was sent its payment and gave no result; it is not known whether it took it, and it"
    " is not paid again before that is known."
)


async def pay(bus: Bus, step: Step, quote: Quote, cause: Envelope, required: str) -> Signed:
    """Have what an agent asks for signed.

    Args:
        bus: the way to the payment service.
        step: whose hold pays.
        quote: of the agent.
        cause: what it follows from.
        required: the header `PAYMENT-REQUIRED` of its answer.

    Raises:
        AgentFailure: it is not paid, in words, or it is not known whether it was paid already.
        Unavailable, TooSlow, Internal: the payment service does not say; nothing left.
    """
    work = quote.agent_key or step.id
    asked = PayAgent(hold_id=step.id, work=work, agent_id=step.agent_id, required=required)
    try:
        signed = await bus.ask(PAY_AGENT, asked, cause)
    except PaymentRequired as refused:
        raise AgentFailure("agent_refused_price", refused.message, status=402) from refused
    except Conflict as unknown:
        raise AgentFailure("agent_too_slow", unknown.message) from unknown
    return Signed(signed.signature, signed.amount, signed.pay_to)


def bill(held: Decimal, answer: AgentAnswer) -> tuple[Split, Decimal]:
    """What is paid to an agent that was paid outside, and what it billed: the same, and no more."""
    external = min(held, answer.external_cost)
    return Split(Decimal(0), external), answer.external_cost


def unknown() -> AgentFailure:
    """The failure of an agent that may have been paid: under the same key it is asked again."""
    return AgentFailure("agent_too_slow", UNKNOWN)
