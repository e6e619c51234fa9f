"""Why an agent is to have a step, in words for people, without I/O."""

from collections.abc import Sequence

from chat_svc.domain import Work
from chat_svc.planner import Candidate, money
from contracts.chat import PlanCandidate, PlannedStep
from contracts.orders import StepSpec


def planned_step(step: StepSpec, work: Work, agents: Sequence[Candidate]) -> PlannedStep:
    """A step as it is proposed: who could do it, and why the first one is to.

    Args:
        step: as it is ordered.
        work: with who has it, best first.
        agents: as they were known when it was decided.
    """
    by_id = {agent.id: agent for agent in agents}
    known = [by_id[one.agent_id] for one in work.choices if one.agent_id in by_id]
    candidates = [
        PlanCandidate(
            agent_id=agent.id, score=agent.score or None, price=max(agent.dynamic_price, 0)
        )
        for agent in known
    ]
    return PlannedStep(
        step_id=step.id,
        agent_id=step.agent_id,
        skill=step.skill,
        candidates=candidates,
        reason=_why(known),
    )


def _why(known: Sequence[Candidate]) -> str | None:
    if not known:
        return None
    first, *others = known
    about = f"{first.name}, at {money(first.dynamic_price)}"
    if not others:
        return f"{about}: nobody else was considered."
    if first.score and first.score >= max(other.score for other in others):
        return f"{about}: the best score of {len(known)}."
    if first.dynamic_price <= min(other.dynamic_price for other in others):
        return f"{about}: the lowest price of {len(known)}."
    return f"{about}: named or preferred by the orchestrator, before {len(others)} others."
