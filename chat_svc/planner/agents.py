"""Which agents may do a wish: those that can, and those that are called by name."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from chat_svc.planner.forms import QUOTE, fold, form, word_set
from chat_svc.planner.match import (
    Match,
    Profile,
    family_of,
    for_family,
    for_words,
    ranked,
    stem,
    words_of,
)
from chat_svc.planner.wish import FAMILIES, QUALITIES, UNKNOWN, Mention, Wish, quality, verbs

_MOST_WORDS = 6


def _key(text: str) -> tuple[str, ...]:
    return tuple(word for word in words_of(text) if word not in word_set("fillers"))


class Names:
    """The names of the agents of one list, to be found in what a person says."""

    def __init__(self, profiles: Sequence[Profile]) -> None:
        self._profiles = profiles
        self._exact: dict[tuple[str, ...], list[str]] = {}
        for one in profiles:
            for name in dict.fromkeys((_key(one.agent.id), _key(one.agent.name))):
                self._exact.setdefault(name, []).append(one.agent.id)
        self._exact.pop((), None)

    def exactly(self, name: str) -> tuple[str, ...]:
        """Ids of the agents whose whole name or id this is."""
        return tuple(dict.fromkeys(self._exact.get(_key(name), ())))

    def meant(self, name: str) -> tuple[str, ...]:
        """Ids of the agents that may be meant by a name, a part of one, or "premium agent"."""
        key = _key(name)
        if not key or set(key) <= word_set("no_names"):
            return ()
        exact = self.exactly(name)
        if exact or _is_verb(name, 0):
            return exact
        if len(key) == 1 and key[0] in QUALITIES:
            return tuple(match.agent.id for match in for_family(self._profiles, quality(key[0])))
        roots = frozenset(map(stem, key))
        found = (ids for known, ids in self._exact.items() if roots <= {*map(stem, known)})
        return tuple(dict.fromkeys(id_ for ids in found for id_ in ids))

    def find(self, plain: str, position: int) -> Mention | None:
        """The agent that is called right at `position` of folded text, if any is."""
        call = form("calls").match(plain, position)
        if call is None:
            return self._directly(plain, position)
        for name, end in _names_at(plain, call.end()):
            ids = self.meant(name)
            after = form("starts_task").match(plain, end)
            if ids and (after or _is_verb(plain, end + 1)):
                return Mention(name, ids, after.end() if after else end)
        return self._stranger(plain, call)

    def _directly(self, plain: str, position: int) -> Mention | None:
        """Finds "mock_busy: do this" and "@translator ..."."""
        for name, end in _names_at(plain, position, most=3):
            if (ids := self.exactly(name)) and _is_verb(plain, end + 1):
                return Mention(name, ids, end)
        if told := form("quality_call").match(plain, position):
            return Mention(told[1], self.meant(told[1]), told.end())
        direct = form("direct").match(plain, position)
        if direct is None or QUOTE in direct[1]:
            return None
        ids = self.exactly(direct[1])
        return Mention(direct[1].strip(), ids, direct.end()) if ids else None

    @staticmethod
    def _stranger(plain: str, call: re.Match[str]) -> Mention | None:
        """Someone who is no agent here: "ask Bob to ..."."""
        for name, end in _names_at(plain, call.end(), most=3):
            to = form("told_to").match(plain, end)
            if to and _key(name):
                return Mention(name, (), to.end())
        return None


def _names_at(plain: str, position: int, most: int = _MOST_WORDS) -> Iterator[tuple[str, int]]:
    """The words from a place on that may be a name, longest first, and where each ends."""
    ends: list[int] = []
    place = position
    while len(ends) < most and (token := form("token").match(plain, place)):
        place = token.end()
        ends.append(place)
    for end in reversed(ends):
        yield plain[position:end].strip().strip("\"'"), end


def _is_verb(plain: str, start: int) -> bool:
    patterns = (form("does"), form("imperative"), *(verb.pattern for verb in verbs()))
    return any(pattern.match(plain, start) for pattern in patterns)


_BEGINNING = 240
_BY_NAME = 3


def settled(profiles: Sequence[Profile], wish: Wish) -> Wish:
    """Makes a question a wish in free words when an agent offers its very subject."""
    if wish.weak and for_words(profiles, wish.request, subject_only=True):
        return replace(wish, family=UNKNOWN)
    return wish


def able(profiles: Sequence[Profile], wish: Wish) -> list[Match]:
    """Agents for a wish, whoever it is addressed to."""
    if wish.family.known:
        return for_family(profiles, wish.family)
    if quality_task := form("quality_task").search(fold(wish.request[:_BEGINNING])):
        return for_family(profiles, quality(quality_task[1]))
    return for_words(profiles, wish.request)


def addressed(profiles: Sequence[Profile], wish: Wish, ids: Sequence[str]) -> list[Match]:
    """The agents that a wish calls by name first, then others that can do the same."""
    named = [one for one in profiles if one.agent.id in ids]
    fitting = {match.agent.id: match for match in able(named, wish)}
    asked = ranked(
        [fitting.get(one.agent.id) or Match(one.agent, one.main_skill, _BY_NAME) for one in named]
    )
    others = for_family(profiles, wish.family if wish.family.known else quality(asked[0].skill))
    others = [match for match in others if match.agent.id not in ids]
    if asked[0].agent.available:
        return [*asked, *others]
    # Another may stand in only where the kind of work is known; a person's own choice is not.
    return [*others, *asked] if fitting else [*asked, *others]


def does_as_asked(match: Match, wish: Wish) -> bool:
    """Whether the agent is to be given the request in the person's own words."""
    return match.tier == _BY_NAME or not wish.family.known


def kind_of(skill: str) -> str:
    """What a person calls the work that a skill word means; the word itself when unknown."""
    return family_of(skill).name or skill


_LOOKED_AT = 4_000
"""Characters of a text, from its beginning; wishes come before what they are about."""


def terms(text: str) -> list[str]:
    """Skill words of the kinds of work that a text asks for, then its own, each once.

    A kind of work is asked for in many languages, and listed in the words of one.
    """
    plain = fold(text[:_LOOKED_AT])
    words = words_of(plain)
    asked = {verb.family for verb in verbs() if verb.pattern.search(plain)}
    kinds = [word for kind in FAMILIES if kind in asked for word in kind.phrases]
    return list(dict.fromkeys([*kinds, *(one for one in words if one in QUALITIES), *words]))


LONGEST_QUOTE = 60
"""Characters of a wish that are repeated to the person."""


def short(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text[: 4 * LONGEST_QUOTE].split())
    return line if len(line) <= LONGEST_QUOTE else line[: LONGEST_QUOTE - 1].rstrip() + "…"


def doing(wish: Wish) -> str:
    """What a wish is about, to go after "I cannot"."""
    if not wish.family.known or wish.weak:
        return f"help with “{short(wish.request)}”" if wish.request else "help with that"
    return wish.family.name


def is_wish(wish: Wish) -> bool:
    """Whether somebody is asked to do something, be it that nobody here can."""
    said = fold(wish.request[:LONGEST_QUOTE])
    return bool(
        wish.family.known
        or wish.mention
        or form("asks_somebody").match(said)
        or form("imperative").search(said)
    )
