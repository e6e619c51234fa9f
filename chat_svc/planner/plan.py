"""Plans what a person typed onto the agents of the marketplace, within a budget."""

from collections.abc import Sequence
from decimal import Decimal

from chat_svc.planner.answers import answer, offer
from chat_svc.planner.match import Match, Profile, price, profile
from chat_svc.planner.mentions import Names
from chat_svc.planner.model import MAX_ALTERNATIVES, MAX_STEPS, Candidate, Plan, PlannedStep, money
from chat_svc.planner.payload import payload_for
from chat_svc.planner.steps import NOBODY, Draft, Drafts, draft
from chat_svc.planner.wishes import read_wishes


def _only_say(reply: str) -> Plan:
    return Plan(steps=(), reply=reply, notes=(), required_skills=())


def _total(chosen: Sequence[Match]) -> Decimal:
    return sum((price(match.agent) for match in chosen), Decimal(0))


def _cheapest(step: Draft) -> Match:
    if step.by_name:
        return step.matches[0]
    usable = [match for match in step.matches if match.agent.available]
    return min(usable, key=lambda match: price(match.agent))


def _step(step: Draft, match: Match) -> PlannedStep:
    others = [other.agent.id for other in step.matches if other.agent.id != match.agent.id]
    return PlannedStep(
        skill=match.skill,
        agent_id=match.agent.id,
        alternatives=tuple(others[:MAX_ALTERNATIVES]),
        payload=payload_for(match.agent, match.skill, step.text, step.options),
        depends_on=step.depends_on,
        text=step.text,
        options=step.options,
    )


def _within(drafts: Drafts, budget: Decimal) -> Plan:
    """Chooses the agents of drafted steps so that their prices fit the budget."""
    chosen = [step.matches[0] for step in drafts.steps]
    if _total(chosen) > budget:
        chosen = [_cheapest(step) for step in drafts.steps]
    total = _total(chosen)
    if total > budget:
        names = ", ".join(dict.fromkeys(match.agent.name for match in chosen))
        return _only_say(
            f"This would cost {money(total)} ({names}), but the budget is {money(budget)}:"
            " nobody was called."
        )
    notes = list(drafts.notes)
    if drafts.truncated:
        notes.append(f"That is more than {MAX_STEPS} steps: only the first {MAX_STEPS} are done.")
    steps = tuple(map(_step, drafts.steps, chosen))
    skills = tuple(dict.fromkeys(step.skill for step in steps))
    return Plan(steps=steps, reply=None, notes=tuple(dict.fromkeys(notes)), required_skills=skills)


def _refusal(profiles: Sequence[Profile], notes: Sequence[str]) -> str:
    said = list(dict.fromkeys(notes)) or ["I did not understand what you would like done."]
    if not notes or any(note.endswith(NOBODY) for note in notes):
        said.append(offer(profiles))
    return " ".join(said)


def plan(
    text: str,
    agents: Sequence[Candidate],
    budget: Decimal,
    previous_result: str | None = None,
) -> Plan:
    """Plans what a person typed.

    Args:
        text: as typed; data, whatever it says about budgets or instructions.
        agents: the marketplace now; nobody else is ever planned with.
        budget: BazaarBucks that the dynamic prices of the steps may add up to.
        previous_result: the last result of this conversation, for "now translate it".

    Returns:
        Steps, or a reply when nobody is to be called. The same for the same arguments.
    """
    budget = Decimal(0) if budget.is_nan() else budget
    profiles = profile(agents)
    names = Names(profiles)
    reply = answer(text, profiles, names, budget)
    if reply is not None:
        return _only_say(reply)
    wishes = read_wishes(text, names.find, has_previous=previous_result is not None)
    drafts = draft(profiles, wishes, previous_result)
    if not drafts.steps:
        return _only_say(_refusal(profiles, drafts.notes))
    return _within(drafts, budget)
