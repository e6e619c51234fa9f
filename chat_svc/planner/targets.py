"""Languages to go to ("into French and German") and to come from, wherever a phrase names them."""

import re
from dataclasses import dataclass

from chat_svc.planner.forms import form
from chat_svc.planner.languages import find_language, language_of, named_language

_CODE_LENGTH = 2


@dataclass(frozen=True, slots=True)
class Target:
    """Languages named in one place: where in the text, and their tags in order."""

    start: int
    end: int
    tags: tuple[str, ...]


def _languages_at(text: str, position: int) -> tuple[list[str], int] | None:
    first = find_language(text, position)
    if first is None:
        return None
    tags = [first[0]]
    end = first[1]
    codes_only = end - position == _CODE_LENGTH
    while joint := form("targets_more").match(text, end):
        found = find_language(text, joint.end()) if joint.end() > end else None
        # "to French, it is ..." goes on in words: a code may only follow a code.
        if found is None or (found[1] - joint.end() == _CODE_LENGTH and not codes_only):
            break
        tags.append(found[0])
        end = found[1]
    after = form("after").match(text, end)
    return tags, after.end() if after else end


def find_targets(text: str, start: int = 0, *, romance: bool = False) -> list[Target]:
    """Every "to <languages>" in folded `text` from `start` on.

    `romance` reads "a francés" too, which in English would be an article.
    """
    found: list[Target] = []
    patterns = (form("to"), form("romance_to")) if romance else (form("to"),)
    for pattern in patterns:
        for preposition in pattern.finditer(text, start):
            named = _languages_at(text, preposition.end())
            if named and not any(t.start <= preposition.start() < t.end for t in found):
                tags = tuple(dict.fromkeys(named[0]))
                found.append(Target(preposition.start(), named[1], tags))
    return sorted(found, key=lambda target: target.start)


def target_at(text: str, position: int) -> bool:
    """Whether folded `text` says "to <language>" right at `position`."""
    preposition = form("to").match(text, position)
    return preposition is not None and find_language(text, preposition.end()) is not None


def from_to(text: str, position: int) -> bool:
    """Whether "English to French" or "en -> fr" stands at `position` of folded text."""
    pair = form("pair").match(text, position)
    return pair is not None and language_of(pair[1]) is not None and target_at(text, pair.end())


def find_source(text: str) -> Target | None:
    """The first "from <language>" of folded `text`."""
    for preposition in form("from").finditer(text):
        named = find_language(text, preposition.end())
        if named:
            return Target(preposition.start(), named[1], (named[0],))
    return None


def language_in(text: str) -> str | None:
    """The first word of folded `text` that is the name of a language ("a French summary of")."""
    return next(filter(None, map(named_language, re.findall(r"[^\W\d_]{4,}", text))), None)
