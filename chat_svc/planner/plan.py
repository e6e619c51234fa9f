"""Plans what a person typed onto the agents of the marketplace, within a budget."""

from collections.abc import Iterator, Sequence
from decimal import ROUND_DOWN, Decimal

from chat_svc.planner.agents import Names, kind_of
from chat_svc.planner.answers import offer
from chat_svc.planner.frame import Conversation
from chat_svc.planner.gate import Objection, Purchase, Reason, objections, told
from chat_svc.planner.hearing import hear
from chat_svc.planner.match import Match, Profile, price, profile
from chat_svc.planner.model import (
    MAX_ALTERNATIVES,
    MAX_STEPS,
    Candidate,
    Earlier,
    Plan,
    PlannedStep,
    money,
)
from chat_svc.planner.payload import payload_for
from chat_svc.planner.steps import NOBODY, NOT_UNDERSTOOD, Draft, Drafts, draft
from chat_svc.planner.talk import WHAT_WITH_IT, Talk
from chat_svc.planner.wish import SEARCH
from contracts.base import MICRO
from contracts.chat import Refused

LEAST_SHARE = Decimal("0.5")
"""The share of its price below which an agent is not asked to go: nobody would agree."""


def total(matches: Sequence[Match]) -> Decimal:
    """What the agents ask for together."""
    return sum((price(match.agent) for match in matches), Decimal(0))


def choose(steps: Sequence[Draft], budget: Decimal) -> list[tuple[Match, Decimal | None]] | None:
    """The best agents that fit the budget, some of them perhaps only at a lower price.

    Returns:
        For each step an agent, and what it may be offered at most, None when its price is taken
        as it is; None when the budget is too small for any.
    """
    for matches in _ways(steps):
        if sum(map(_least, matches), Decimal(0)) <= budget:
            return [
                (match, _max_offer(step, match, matches, budget))
                for step, match in zip(steps, matches, strict=True)
            ]
    return None


def cheapest(steps: Sequence[Draft]) -> list[Match]:
    """The cheapest agent of each step that may be chosen."""
    return [min(_usable(step), key=lambda match: price(match.agent)) for step in steps]


def _ways(steps: Sequence[Draft]) -> Iterator[list[Match]]:
    yield [step.matches[0] for step in steps]
    yield cheapest(steps)
    yield [min(_usable(step), key=_least) for step in steps]


def _usable(step: Draft) -> list[Match]:
    if step.by_name:
        return [step.matches[0]]
    return [match for match in step.matches if match.agent.available]


def _least(match: Match) -> Decimal:
    """What the agent may come down to."""
    asked = price(match.agent)
    return asked * LEAST_SHARE if match.agent.negotiable else asked


def _max_offer(
    step: Draft, match: Match, matches: Sequence[Match], budget: Decimal
) -> Decimal | None:
    """The most to offer an agent, so that with such offers the whole plan fits the budget."""
    asked = price(match.agent)
    if not match.agent.negotiable:
        return None
    over = total(matches) - budget
    if over > 0:
        open_ = total([one for one in matches if one.agent.negotiable])
        asked -= asked * over / open_
    elif not _is_dear(step, match):
        return None
    return asked.quantize(MICRO, rounding=ROUND_DOWN) or None


def _is_dear(step: Draft, match: Match) -> bool:
    """Whether another agent with the skill asks for less, or none is there to compare with."""
    peers = [
        price(other.agent)
        for other in step.matches
        if other.tier == 0 and other.agent.available and other.agent.id != match.agent.id
    ]
    return not peers or price(match.agent) > min(peers)


def _step(step: Draft, chosen: tuple[Match, Decimal | None]) -> PlannedStep:
    match, max_offer = chosen
    others = [other.agent.id for other in step.matches if other.agent.id != match.agent.id]
    return PlannedStep(
        skill=match.skill,
        agent_id=match.agent.id,
        alternatives=tuple(others[:MAX_ALTERNATIVES]),
        payload=payload_for(match.agent, match.skill, step.text, step.options),
        depends_on=step.depends_on,
        text=step.text,
        options=step.options,
        by_name=step.by_name,
        max_offer=max_offer,
    )


def _within(drafts: Drafts, budget: Decimal, left: Decimal) -> Plan:
    """Chooses the agents of drafted steps so that their prices fit what is left of the budget."""
    chosen = choose(drafts.steps, left)
    if chosen is None:
        agents = cheapest(drafts.steps)
        names = ", ".join(dict.fromkeys(match.agent.name for match in agents))
        return Plan(reply=too_dear(total(agents), names, budget, left), refused="budget")
    notes = list(drafts.notes)
    if drafts.truncated:
        notes.append(f"That is more than {MAX_STEPS} steps: only the first {MAX_STEPS} are done.")
    steps = tuple(map(_step, drafts.steps, chosen))
    skills = tuple(dict.fromkeys(step.skill for step in steps))
    return Plan(steps=steps, notes=tuple(dict.fromkeys(notes)), required_skills=skills)


def too_dear(cost: Decimal, names: str, budget: Decimal, left: Decimal) -> str:
    """Says that nobody was called, because it would cost too much."""
    limit = f"the budget is {money(budget)}"
    if left < budget:
        limit = f"only {money(max(left, Decimal(0)))} of the budget is left"
    return f"This would cost {money(cost)} ({names}), but {limit}: nobody was called."


def _refusal(profiles: Sequence[Profile], notes: Sequence[str]) -> str:
    said = list(dict.fromkeys(notes)) or ["I did not understand what you would like done."]
    if not notes or any(note.endswith((NOBODY, NOT_UNDERSTOOD)) for note in notes):
        said.append(offer(profiles))
    return " ".join(said)


def plan(
    text: str,
    agents: Sequence[Candidate],
    budget: Decimal,
    left: Decimal | None = None,
    earlier: Sequence[Earlier] = (),
) -> Plan:
    """Plans what a person typed.

    Args:
        text: as typed; data, whatever it says about budgets or instructions, but that a limit in
            it ("for at most 0.05") may lower the budget.
        agents: the marketplace now; nobody else is ever planned with.
        budget: BazaarBucks that the request may cost.
        left: BazaarBucks of it that the prices of the steps may add up to; None for all of it.
        earlier: the conversation before, oldest first, for "now translate it" and "do it again".

    Returns:
        Steps, or a reply when nobody is to be called. The same for the same arguments.
    """
    budget = Decimal(0) if budget.is_nan() else budget
    left = budget if left is None else min(left, budget)
    heard = hear(text)
    if heard.terms.cap is not None and heard.terms.cap < budget:
        budget, left = heard.terms.cap, min(left, heard.terms.cap)
    profiles = profile(agents)
    talk = Talk(profiles, Names(profiles), budget, left)
    free = talk.free(heard, text, earlier)
    if free is not None:
        return free
    wishes, before = talk.understood(heard, earlier)
    allowed = [w for w in wishes if w.family.name not in heard.terms.forbidden]
    wishes = allowed or wishes
    drafts = draft(profiles, wishes, Conversation(before, heard.terms.forbidden))
    if not drafts.steps:
        pasted = heard.pasted is not None and len(wishes) <= 1
        said = WHAT_WITH_IT if pasted else _refusal(profiles, drafts.notes)
        return Plan(reply=said, refused="no_plan")
    planned = _within(drafts, budget, left)
    made = [one for turn in earlier for one in turn.made if kind_of(one.skill) != SEARCH.name]
    worked_on = [one.source for one in made if one.source]
    found = objections(heard, _purchases(planned, agents, earlier), worked_on=worked_on)
    return Plan(reply=told(found), refused=_kind(found)) if found else planned


def _kind(found: Sequence[Objection]) -> Refused:
    return "budget" if any(one.reason is Reason.OVER_CAP for one in found) else "no_plan"


def _purchases(
    planned: Plan, agents: Sequence[Candidate], earlier: Sequence[Earlier]
) -> list[Purchase]:
    known = {turn.result for turn in earlier} | {
        made.text for turn in earlier for made in turn.made
    }
    prices = {agent.id: agent.dynamic_price for agent in reversed(agents)}
    return [
        Purchase(
            kind_of(step.skill),
            step.text if isinstance(step.text, str) and step.text not in known else None,
            step.max_offer or max(prices[step.agent_id], Decimal(0)),
        )
        for step in planned.steps
    ]
