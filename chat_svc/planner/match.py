"""Finds the agents for a wish by their skills, capabilities and descriptions."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import snowballstemmer

from chat_svc.planner.forms import fold, form, word_set
from chat_svc.planner.model import Candidate
from chat_svc.planner.wish import FAMILIES, QUALITIES, UNKNOWN, Family

_DESCRIPTION_LENGTH = 4_000
_REQUEST_WORDS = 30
_OPENING = 80
_DESCRIBED = 2


@lru_cache(maxsize=8_192)
def stem(word: str) -> str:
    """The root that the forms of a folded word share."""
    # A stemmer keeps the word that it works on, so threads must not share one.
    return str(snowballstemmer.stemmer("english").stemWord(word))


def words_of(text: str) -> list[str]:
    """The folded words of a text or of an identifier such as "languageDetection"."""
    return form("match_word").findall(fold(form("camel_hump").sub(" ", text)))


@lru_cache(maxsize=1_024)
def stems_of(text: str) -> frozenset[str]:
    """The roots of the words of a text."""
    return frozenset(map(stem, words_of(text)))


_PHRASES = {family: tuple(map(stems_of, family.phrases)) for family in FAMILIES}
_FAMILY_STEMS = frozenset().union(*(phrase for all_ in _PHRASES.values() for phrase in all_))


def family_of(skill: str) -> Family:
    """The kind of work that a skill word means."""
    stems = stems_of(skill)
    for family, phrases in _PHRASES.items():
        if any(phrase <= stems for phrase in phrases):
            return family
    return UNKNOWN


@dataclass(frozen=True, slots=True)
class Profile:
    """An agent with its words stemmed."""

    agent: Candidate
    skills: tuple[tuple[str, frozenset[str]], ...]
    capabilities: tuple[frozenset[str], ...]
    description: frozenset[str]

    @property
    def main_skill(self) -> str:
        """The skill word that stands for the agent."""
        return next(iter(self.agent.skills or self.agent.capabilities), "general")


@dataclass(frozen=True, slots=True)
class Match:
    """An agent that can do a wish.

    Attributes:
        skill: the skill word that says so.
        tier: 0 by a skill, 1 by a capability, 2 by the description, 3 named by the person.
        words: roots of the wish that were found.
    """

    agent: Candidate
    skill: str
    tier: int
    words: frozenset[str] = frozenset()


def profile(agents: Sequence[Candidate]) -> tuple[Profile, ...]:
    """The agents that can be planned with: each id once, with prices that are numbers."""
    unique: dict[str, Candidate] = {}
    for agent in agents:
        if agent.dynamic_price.is_finite() and agent.rating.is_finite():
            unique.setdefault(agent.id, agent)
    return tuple(
        Profile(
            agent,
            tuple((skill, stems_of(skill)) for skill in agent.skills),
            tuple(map(stems_of, agent.capabilities)),
            stems_of(agent.description[:_DESCRIPTION_LENGTH]),
        )
        for agent in unique.values()
    )


def price(agent: Candidate) -> Decimal:
    """BazaarBucks that a call is planned to cost; never negative."""
    return max(agent.dynamic_price, Decimal(0))


def _rank(match: Match) -> tuple[bool, int, int, float, Decimal, Decimal, int, str]:
    agent = match.agent
    return (
        not agent.available,
        match.tier,
        -len(match.words),
        -agent.score,
        price(agent),
        -agent.rating,
        agent.load,
        agent.id,
    )


def ranked(matches: Sequence[Match]) -> list[Match]:
    """Best first: available, by skill before description, by score, cheap, well rated."""
    return sorted(matches, key=_rank)


def _family_match(one: Profile, phrases: Sequence[frozenset[str]]) -> Match | None:
    for phrase in phrases:
        for skill, stems in one.skills:
            if phrase and phrase <= stems:
                return Match(one.agent, skill, 0)
    if any(phrase and phrase <= stems for phrase in phrases for stems in one.capabilities):
        return Match(one.agent, one.main_skill, 1)
    if any(phrase and phrase <= one.description for phrase in phrases):
        return Match(one.agent, one.main_skill, _DESCRIBED)
    return None


def for_family(profiles: Sequence[Profile], family: Family) -> list[Match]:
    """Agents for a known kind of work; by description only when no other says that it can."""
    phrases = _PHRASES.get(family) or tuple(map(stems_of, family.phrases))
    found = [match for one in profiles if (match := _family_match(one, phrases))]
    declared = [match for match in found if match.tier != _DESCRIBED]
    return ranked(declared or found)


@dataclass(frozen=True, slots=True)
class Sought:
    """The telling words of a wish whose kind of work is not known by its verb."""

    verb: str | None
    things: frozenset[str]
    making: frozenset[str]


def sought(request: str) -> Sought:
    """Reads "write a haiku about autumn" as something that makes a haiku."""
    words = words_of(request[:1_000])[:_REQUEST_WORDS]
    ends, vague = word_set("prepositions"), word_set("match_vague") | word_set("prepositions")
    cut = next((i for i, word in enumerate(words) if i and word in ends), len(words))
    telling = [word for word in words[:cut] if word not in vague]
    telling = telling or [word for word in words[cut:] if word not in vague]
    making = frozenset(stem(word) for word in telling if word in word_set("making"))
    roots = [stem(word) for word in telling if word not in word_set("making")]
    begins_with_verb = bool(roots) and telling[0] == words[0] and not making
    return Sought(roots[0] if begins_with_verb else None, frozenset(roots), making)


def _word_match(one: Profile, wish: Sought, *, described: bool) -> Match | None:
    best: Match | None = None
    for skill, stems in one.skills:
        if skill.lower() in QUALITIES:
            continue
        words = wish.things & stems
        if words and (best is None or len(words) > len(best.words)):
            best = Match(one.agent, skill, 0, words)
    if best is not None:
        return best
    words = wish.things & frozenset[str]().union(*one.capabilities)
    if words:
        return Match(one.agent, one.main_skill, 1, words)
    words = wish.things & one.description if described else frozenset()
    by_verb = wish.verb is not None and wish.verb in words - word_set("broad")
    by_things = wish.verb is None and 2 * len(words) >= len(wish.things)
    if words and (by_verb or by_things or len(words) > 1):
        return Match(one.agent, one.main_skill, _DESCRIBED, words)
    return None


def for_words(
    profiles: Sequence[Profile], request: str, *, subject_only: bool = False
) -> list[Match]:
    """Agents for a wish in free words, by what they say about themselves.

    Words of known kinds of work count only where the request asks for something: "the research
    team met" is no search. `subject_only` is for questions ("what is machine translation?"):
    they never count there, and only skills and capabilities do. "It works!" asks for nothing.
    """
    wish = sought(request)
    opening = fold(request[:_OPENING])
    asks = form("asks_somebody").match(opening) is not None
    if form("statement").match(opening):
        return []
    if subject_only:
        wish = Sought(None, wish.things - _FAMILY_STEMS, frozenset())
    elif not asks:
        wish = Sought(wish.verb, wish.things - _FAMILY_STEMS, wish.making)
    described = not subject_only and (wish.verb is not None or asks)
    found = [match for one in profiles if (match := _word_match(one, wish, described=described))]
    best = ranked(found)
    return [match for match in best if match.words >= best[0].words]
