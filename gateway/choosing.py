"""Calls and quotes by a skill: the registry chooses, as `GET /api/agents/choose` shows it."""

from decimal import Decimal

from fastapi import Request

from contracts import api
from contracts.errors import Invalid, NotFound, Unavailable
from contracts.listings import CHOOSE_AGENTS, ChooseAgents
from gateway.asking import ask, made

MOST_NAMED = 5
"""Candidates that an answer names."""
ONE_OF_THEM = "skill: say agentId, or a skill to have an agent chosen, and not both."


async def chosen_for(
    request: Request, agent_id: str | None, skill: str | None, max_price: Decimal | None = None
) -> tuple[str, api.Chosen | None]:
    """Whom a caller means, by id or by a skill; why, when the agent was chosen.

    Raises:
        Invalid: neither is said, or both are.
        NotFound: nobody on the market has the skill, for that price.
        Unavailable: none of those who have it can be called now.
    """
    if skill is None:
        if agent_id is None:
            raise Invalid("agentId: Field required, or a skill to have an agent chosen.")
        return agent_id, None
    if agent_id is not None:
        raise Invalid(ONE_OF_THEM)
    question = made(ChooseAgents, skill=skill, max_price=max_price, away=True, limit=MOST_NAMED)
    choice = await ask(request, CHOOSE_AGENTS, question)
    if not choice.candidates:
        raise NotFound(choice.reason)
    best = choice.candidates[0].agent
    if not best.can_be_called:
        raise Unavailable(choice.reason)
    candidates = [
        api.ChosenOne(
            agent_id=one.agent.id, score=round(one.score, 4), price=one.agent.dynamic_price
        )
        for one in choice.candidates
    ]
    return best.id, api.Chosen(skill=skill, reason=choice.reason, candidates=candidates)
