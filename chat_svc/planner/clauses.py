"""Cuts a request into clauses, one wish each, without cutting into texts."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from chat_svc.planner.forms import form, has
from chat_svc.planner.languages import (
    find_targets,
    language_in,
)
from chat_svc.planner.options import asks_for_count
from chat_svc.planner.wish import (
    SEARCH,
    TRANSLATE,
    UNKNOWN,
    Family,
    Mention,
    Style,
    Verb,
    points,
    verbs,
)

HEAD = 2_000
"""Characters at the beginning of a message in which wishes are looked for."""
TAIL = 500
"""Characters at its end in which they are."""
_NEAR = 200
_MOST_SEPARATORS = 60


FindMention = Callable[[str, int], Mention | None]
"""Finds "ask the Negotiator to" right at a position of folded text."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One wish: its verb, its object and whom it is addressed to, as places in the source.

    Attributes:
        begins: where it begins, with "please" and the like.
        start: where its own words begin.
        verb_end: where its object begins; the same as `start` when the verb is unknown.
        family: what kind of work it is; unknown when no known verb begins it.
        weak: whether an agent that offers the subject itself comes before the family.
        elliptic: whether it has no verb and only names a language.
    """

    begins: int
    start: int
    verb_end: int
    end: int
    family: Family
    mention: Mention | None = None
    weak: bool = False
    elliptic: bool = False

    @property
    def asks(self) -> bool:
        """Whether its verb asks for work, whoever may offer the subject."""
        return self.family.known and not self.weak


def skip_lead(plain: str, position: int) -> int:
    """Where the words begin that say something, after greetings, joints and politeness."""
    while lead := form("lead").match(plain, position):
        position = lead.end()
    return position


def _means(verb: Verb, plain: str, match: re.Match[str]) -> bool:
    if verb.language == "inside":
        return language_in(match[0]) is not None
    if verb.language == "after":
        rest = plain[match.end() : match.end() + _NEAR]
        return bool(find_targets(form("next_verb").split(rest, maxsplit=1)[0]))
    return True


def begin(plain: str, position: int, find: FindMention) -> Clause:
    """Reads the beginning of a clause at `position`; its end is still open."""
    start = skip_lead(plain, position)
    known = _known_verb(plain, start)
    if known is not None:
        return replace(known, begins=position)
    mention = find(plain, start)
    words = _few_words_at(plain, mention.end if mention else position)
    if words is not None:
        return Clause(words, words, words, len(plain), TRANSLATE, mention, elliptic=True)
    if mention is not None:
        after = form("after_name").match(plain, mention.end)
        start = after.end() if after else mention.end
        known = _known_verb(plain, start)
        if known is None and mention.agent_ids and has_target_at_end(plain[start : start + _NEAR]):
            known = Clause(start, start, start, len(plain), TRANSLATE)
    return replace(known or _without_verb(plain, start), begins=position, mention=mention)


def _without_verb(plain: str, start: int) -> Clause:
    """A clause that asks a question, or says something unknown."""
    asks = form("question").match(plain, start) is not None
    return Clause(start, start, start, len(plain), SEARCH if asks else UNKNOWN, weak=asks)


def _known_verb(plain: str, start: int) -> Clause | None:
    for verb in verbs():
        match = verb.pattern.match(plain, start)
        if match and _means(verb, plain, match):
            return Clause(start, start, match.end(), len(plain), verb.family, weak=verb.weak)
    return None


def _few_words_at(plain: str, position: int) -> int | None:
    """Where "good morning" of "good morning in Spanish" begins, when nothing else is said."""
    few = form("a_few_words").match(plain, position)
    if few is None:
        return None
    rest = form("courtesy").sub("", plain[few.end() : few.end() + _NEAR]).rstrip(" .!?\n")
    target = find_targets(rest)[:1]
    if not target or not (few["quote"] or target[0].end >= len(rest)):
        return None
    return few.start("text" if few["text"] else "quote")


def has_target_at_end(argument: str) -> bool:
    """Whether folded `argument` ends by naming the language to go to."""
    tail = argument[-_NEAR:].rstrip(" .!?")
    return any(target.end >= len(tail) for target in find_targets(tail))


def _begins_anew(plain: str, current: Clause, separator: int, new: Clause) -> bool:
    """Whether `new`, after the separator, is a wish of its own and not a part of `current`."""
    argument = plain[current.verb_end : separator]
    joint = plain[separator : new.start]
    strong = has("strong", joint)
    # It has all it needs, so that what follows is no part of its text.
    complete = current.family.style is not Style.TEXT or has_target_at_end(argument)
    if new.mention is not None:
        return strong or complete
    if not new.family.known:
        return _is_told(plain, new, strong=strong)
    if new.weak or new.elliptic:
        return new.weak and strong
    if points(argument):
        return True
    if complete:
        return _goes_on(plain, current, new, strong=strong)
    return (
        has("clauses_also", joint) or form("chained_object").match(plain, new.verb_end) is not None
    )


def _is_told(plain: str, new: Clause, *, strong: bool) -> bool:
    """Whether an unknown verb gives an order: "and paint me a picture"."""
    told = form("imperative").match(plain, new.start)
    if told is None or asks_for_count(plain, new.start):
        return False
    return strong or form("determiner").match(plain, told.end()) is not None


def _goes_on(plain: str, current: Clause, new: Clause, *, strong: bool) -> bool:
    """Whether a known verb after a complete clause, or after a subject, is a new wish."""
    if strong or current.family.style is not Style.QUERY:
        return True
    if form("chained_object").match(plain[new.verb_end : new.verb_end + _NEAR]):
        return True
    return form("search_object").match(plain[new.start : new.verb_end]) is not None


def split(plain: str, start: int, end: int, find: FindMention) -> list[Clause]:
    """The clauses of folded text between two places, at least one."""
    text = plain[:end]
    current = begin(text, start, find)
    clauses: list[Clause] = []
    looked_at = -1
    for separator in _separators(text, current.verb_end, end):
        if separator.start() < max(looked_at, current.verb_end):
            continue
        after = looked_at = skip_lead(text, separator.start())
        new = begin(text, after, find)
        if new.start < end and _begins_anew(text, current, separator.start(), new):
            clauses.append(replace(current, end=separator.start()))
            current = new
    return [*clauses, replace(current, end=end)]


def _separators(text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    head = form("separator").finditer(text, start, min(end, start + HEAD))
    tail = form("separator").finditer(text, max(start + HEAD, end - TAIL), end)
    yield from islice(head, _MOST_SEPARATORS)
    yield from islice(tail, _MOST_SEPARATORS)
