"""Agents that are called by name: "ask the Negotiator to ...", "use mock_busy to ..."."""

import re
from collections.abc import Iterator, Sequence

from chat_svc.planner.clauses import Mention
from chat_svc.planner.families import QUALITIES, quality
from chat_svc.planner.folding import QUOTE
from chat_svc.planner.forms import form, word_set
from chat_svc.planner.match import Profile, for_family, stem, words_of
from chat_svc.planner.verbs import VERBS

_MOST_WORDS = 6
# What people mean by these is no agent, even when an agent's name holds the word.
_COMMON = frozenset({"web", "internet", "net", "google", "language", "text", "it", "one", "in"})


def _key(text: str) -> tuple[str, ...]:
    return tuple(word for word in words_of(text) if word not in word_set("fillers"))


class Names:
    """The names of the agents of one list, to be found in what a person says."""

    def __init__(self, profiles: Sequence[Profile]) -> None:
        self._profiles = profiles
        self._exact: dict[tuple[str, ...], list[str]] = {}
        self._roots: list[tuple[str, frozenset[str]]] = []
        for one in profiles:
            for name in dict.fromkeys((_key(one.agent.id), _key(one.agent.name))):
                if name:
                    self._exact.setdefault(name, []).append(one.agent.id)
                    self._roots.append((one.agent.id, frozenset(map(stem, name))))

    def exactly(self, name: str) -> tuple[str, ...]:
        """Ids of the agents whose whole name or id this is."""
        return tuple(dict.fromkeys(self._exact.get(_key(name), ())))

    def meant(self, name: str) -> tuple[str, ...]:
        """Ids of the agents that may be meant by a name, a part of one, or "premium agent"."""
        key = _key(name)
        if not key or set(key) <= _COMMON:
            return ()
        exact = self.exactly(name)
        if exact:
            return exact
        if len(key) == 1 and key[0] in QUALITIES:
            return tuple(match.agent.id for match in for_family(self._profiles, quality(key[0])))
        roots = frozenset(map(stem, key))
        return tuple(dict.fromkeys(id_ for id_, name_ in self._roots if roots <= name_))

    def find(self, plain: str, position: int) -> Mention | None:
        """The agent that is called right at `position` of folded text, if any is."""
        call = form("calls").match(plain, position)
        if call is None:
            return self._directly(plain, position)
        anyone = form("anyone").match(plain, call.end())
        if anyone:
            return Mention("", (), anyone.end())
        for name, end in _names_at(plain, call.end()):
            ids = self.meant(name)
            after = form("starts_task").match(plain, end)
            if ids and (after or _is_told(plain, end, call[0])):
                return Mention(name, ids, after.end() if after else end)
        return self._stranger(plain, call)

    def _directly(self, plain: str, position: int) -> Mention | None:
        """Finds "mock_busy: do this" and "@translator ..."."""
        if plain.startswith("@", position):
            for name, end in sorted(_names_at(plain, position + 1), key=lambda found: found[1]):
                if ids := self.meant(name):
                    return Mention(name, ids, end)
        for name, end in _names_at(plain, position, most=3):
            if (
                (ids := self.exactly(name))
                and plain[end : end + 1] == " "
                and _is_verb(plain, end + 1)
            ):
                return Mention(name, ids, end)
        direct = form("direct").match(plain, position)
        if direct is None or QUOTE in direct[1]:
            return None
        ids = self.exactly(direct[1])
        return Mention(direct[1].strip(), ids, direct.end()) if ids else None

    @staticmethod
    def _stranger(plain: str, call: re.Match[str]) -> Mention | None:
        """Someone who is no agent here: "ask Bob to ..."."""
        for name, end in _names_at(plain, call.end(), most=3):
            to = re.compile(r" (?:agent )?to (?=\w)").match(plain, end)
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


def _is_told(plain: str, end: int, call: str) -> bool:
    """Whether "have the Translator" goes on with what it is to do."""
    return form("does_it").match(call) is not None and _is_verb(plain, end + 1)


def _is_verb(plain: str, start: int) -> bool:
    patterns = (form("lexicon_doing"), form("imperative"), *(verb.pattern for verb in VERBS))
    return any(pattern.match(plain, start) for pattern in patterns)
