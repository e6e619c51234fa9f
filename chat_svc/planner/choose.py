"""Decides which agents may do a wish, best first."""

from collections.abc import Sequence
from dataclasses import replace

from chat_svc.planner.families import quality
from chat_svc.planner.folding import fold
from chat_svc.planner.forms import form
from chat_svc.planner.match import Match, Profile, family_of, for_family, for_words, ranked
from chat_svc.planner.wish import Wish

_BEGINNING = 240
_BY_NAME = 3


def settled(profiles: Sequence[Profile], wish: Wish) -> Wish:
    """Makes a question a wish in free words when an agent offers its very subject."""
    if wish.weak and for_words(profiles, wish.request, subject_only=True):
        return replace(wish, family=None)
    return wish


def able(profiles: Sequence[Profile], wish: Wish) -> list[Match]:
    """Agents for a wish, whoever it is addressed to."""
    if wish.family is not None:
        return for_family(profiles, wish.family)
    if wish.weak:
        return for_words(profiles, wish.request, subject_only=True)
    quality_task = form("quality_task").search(fold(wish.request[:_BEGINNING]))
    if quality_task:
        return for_family(profiles, quality(quality_task[1]))
    return for_words(profiles, wish.request)


def addressed(profiles: Sequence[Profile], wish: Wish, ids: Sequence[str]) -> list[Match]:
    """The agents that a wish calls by name first, then others that can do the same."""
    named = [one for one in profiles if one.agent.id in ids]
    fitting = {match.agent.id: match for match in able(named, wish)}
    asked = ranked(
        [fitting.get(one.agent.id) or Match(one.agent, one.main_skill, _BY_NAME) for one in named]
    )
    if wish.family is not None and fitting:
        others = for_family(profiles, wish.family)
    else:
        others = for_family(profiles, quality(asked[0].skill))
    others = [match for match in others if match.agent.id not in ids]
    usable = [match for match in asked if match.agent.available]
    if usable:
        away = [match for match in asked if not match.agent.available]
        return [*usable, *others, *away]
    # Another may stand in only where the kind of work is known; a person's own choice is not.
    return [*others, *asked] if fitting else [*asked, *others]


def does_as_asked(match: Match, wish: Wish) -> bool:
    """Whether the agent is to be given the request in the person's own words."""
    return match.tier == _BY_NAME or wish.family is None


def kind_of(skill: str) -> str:
    """What a person calls the work that a skill word means; the word itself when unknown."""
    family = family_of(skill)
    return skill if family is None else family.name
