"""Agents as the API shows them: what they cost, and why one of them was chosen."""

from decimal import Decimal

from contracts.api.amounts import Number
from contracts.base import Id, Model
from contracts.chat import PlanCandidate
from contracts.listings import Choice as ChoiceView
from contracts.listings import Considered as ConsideredView
from contracts.registry import AgentView
from contracts.registry import Billing as BillingView


class Billing(BillingView):
    """How an agent bills, with numbers."""

    per_thousand: Number = Decimal(0)
    ceiling: Number | None = None
    tolerance: Number | None = None
    purchases: Number = Decimal(0)


class Agent(AgentView):
    """An agent, as GET /api/agents lists it."""

    billing: Billing = Billing()

    base_price: Number
    dynamic_price: Number
    rating: Number


class Considered(ConsideredView):
    """An agent that could be chosen."""

    agent: Agent


class Choice(ChoiceView):
    """Who could be chosen, as GET /api/agents/choose answers."""

    candidates: list[Considered]  # type: ignore[assignment]  # agents with numbers


class ChosenOne(PlanCandidate):
    """An agent that could have been chosen."""

    price: Number | None = None


class Chosen(Model):
    """Whom a call or a quote by a skill went to: the first of the candidates.

    Attributes:
        reason: why, as a sentence.
    """

    skill: str
    reason: str
    candidates: list[ChosenOne]


class AgentCredential(Model):
    """Answer of POST and DELETE /api/agents/{id}/credential; the secret is never shown.

    Attributes:
        header: in which it is sent; None when none is kept.
        origin: where alone it is sent.
    """

    agent_id: Id
    header: str | None = None
    origin: str | None = None
