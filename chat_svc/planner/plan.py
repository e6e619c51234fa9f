"""Plans what a person typed onto the agents of the marketplace, within a budget."""

from collections.abc import Sequence
from decimal import Decimal

from chat_svc.planner.again import read_again, repeated, translation
from chat_svc.planner.answers import answer, offer
from chat_svc.planner.conversation import Conversation
from chat_svc.planner.match import Profile, profile
from chat_svc.planner.mentions import Names
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
from chat_svc.planner.prices import Chosen, cheapest, choose, total
from chat_svc.planner.steps import NOBODY, Draft, Drafts, draft
from chat_svc.planner.wishes import Wish, read_wishes

_MOST_AGAIN = 5


def _only_say(reply: str) -> Plan:
    return Plan(steps=(), reply=reply, notes=(), required_skills=())


def _step(step: Draft, chosen: Chosen) -> PlannedStep:
    match = chosen.match
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
        max_offer=chosen.max_offer,
    )


def _within(drafts: Drafts, budget: Decimal, left: Decimal) -> Plan:
    """Chooses the agents of drafted steps so that their prices fit what is left of the budget."""
    chosen = choose(drafts.steps, left)
    if chosen is None:
        agents = cheapest(drafts.steps)
        names = ", ".join(dict.fromkeys(match.agent.name for match in agents))
        return _only_say(too_dear(total(agents), names, budget, left))
    notes = list(drafts.notes)
    if drafts.truncated:
        notes.append(f"That is more than {MAX_STEPS} steps: only the first {MAX_STEPS} are done.")
    steps = tuple(map(_step, drafts.steps, chosen))
    skills = tuple(dict.fromkeys(step.skill for step in steps))
    return Plan(steps=steps, reply=None, notes=tuple(dict.fromkeys(notes)), required_skills=skills)


def too_dear(cost: Decimal, names: str, budget: Decimal, left: Decimal) -> str:
    """Says that nobody was called, because it would cost too much."""
    limit = f"the budget is {money(budget)}"
    if left < budget:
        limit = f"only {money(max(left, Decimal(0)))} of the budget is left"
    return f"This would cost {money(cost)} ({names}), but {limit}: nobody was called."


def _refusal(profiles: Sequence[Profile], notes: Sequence[str]) -> str:
    said = list(dict.fromkeys(notes)) or ["I did not understand what you would like done."]
    if not notes or any(note.endswith(NOBODY) for note in notes):
        said.append(offer(profiles))
    return " ".join(said)


def _understood(
    text: str, earlier: Sequence[Earlier], profiles: Sequence[Profile], names: Names, depth: int
) -> tuple[list[Wish], Sequence[Earlier]]:
    """The wishes in a text, and the turns before it that they may refer to."""
    again = read_again(text, names) if earlier and depth else None
    if again is None:
        talked = any(turn.result is not None for turn in earlier)
        return read_wishes(text, names.find, has_previous=talked), earlier
    asked = next(
        (
            index
            for index in reversed(range(len(earlier)))
            if answer(earlier[index].said, profiles, names, Decimal(0), Decimal(0)) is None
        ),
        None,
    )
    if asked is None:
        return [], earlier
    wishes, before = _understood(earlier[asked].said, earlier[:asked], profiles, names, depth - 1)
    targeted = any(wish.family is not None and wish.family.targeted for wish in wishes)
    if again.only_translates() and not targeted and earlier[asked].result is not None:
        # "The same in French" after a summary: it need not be made and paid once more.
        return [translation(again.tags)], earlier[: asked + 1]
    # "With the summary" may mean one that was made after what is repeated.
    return repeated(wishes, again), earlier if again.text is not None else before


def plan(
    text: str,
    agents: Sequence[Candidate],
    budget: Decimal,
    left: Decimal | None = None,
    earlier: Sequence[Earlier] = (),
) -> Plan:
    """Plans what a person typed.

    Args:
        text: as typed; data, whatever it says about budgets or instructions.
        agents: the marketplace now; nobody else is ever planned with.
        budget: BazaarBucks that the request may cost.
        left: BazaarBucks of it that the prices of the steps may add up to; None for all of it.
        earlier: the conversation before, oldest first, for "now translate it" and "do it again".

    Returns:
        Steps, or a reply when nobody is to be called. The same for the same arguments.
    """
    budget = Decimal(0) if budget.is_nan() else budget
    left = budget if left is None else min(left, budget)
    profiles = profile(agents)
    names = Names(profiles)
    reply = answer(text, profiles, names, budget, left)
    if reply is not None and not (earlier and read_again(text, names)):
        return _only_say(reply)
    wishes, before = _understood(text, earlier, profiles, names, _MOST_AGAIN)
    drafts = draft(profiles, wishes, Conversation(before))
    if not drafts.steps:
        return _only_say(_refusal(profiles, drafts.notes))
    return _within(drafts, budget, left)
