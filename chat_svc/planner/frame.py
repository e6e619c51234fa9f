"""What earlier turns mean to this one: "it", "the second one", the slots of an open question."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from chat_svc.planner.forms import data, fold, form, word_set
from chat_svc.planner.hearing import Heard
from chat_svc.planner.match import family_of, stems_of
from chat_svc.planner.model import Earlier, Made
from chat_svc.planner.vocabulary import unclaimed
from chat_svc.planner.wish import Item, Style, Wish, points
from chat_svc.planner.zones import asks

_PLACES = [word_set(f"place_{number}") for number in range(5)]
PLACES = frozenset[str]().union(*_PLACES)
"""Words for the place of one result among several."""


def named_kinds(words: set[str]) -> list[str]:
    """The kinds of work whose results folded words name: "the summary"."""
    return [kind for kind, names in data("sets")["named"].items() if words & {*names.split()}]


def results_of(turn: Earlier) -> list[str]:
    """What can be called "the second one" after a turn: several results, or the hits of one."""
    shown = _each_once(made.text for made in turn.made if made.shown)
    if len(shown) > 1:
        return shown
    return form("hit").findall(turn.result or "")


def _each_once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


@dataclass(frozen=True, slots=True)
class Conversation:
    """The earlier turns, oldest first, and the kinds of work whose results are not meant."""

    turns: Sequence[Earlier] = ()
    refused: Collection[str] = ()

    def meant(self, words: set[str]) -> list[str]:
        """The texts that folded words point at: those that they name, else the last result."""
        for kind in named_kinds(words):
            if made := self.made(kind):
                return made
        last = self._last()
        if last is None or last.result is None:
            return []
        if any(_is(made, kind) for made in last.made for kind in self.refused):
            words = words | word_set("original")
        place = next((place for place, names in enumerate(_PLACES) if names & words), None)
        if place is not None and (items := results_of(last)):
            return [items[place]] if -len(items) <= place < len(items) else []
        if words & word_set("original") and (sources := _sources(last.made)):
            return sources[:1]
        shown = _each_once(made.text for made in last.made if made.shown)
        return shown if words & word_set("several") and shown else [last.result]

    def made(self, name: str) -> list[str]:
        """The newest results of a kind of work, or of an agent with a skill of this root."""
        found = (_each_once(m.text for m in turn.made if _is(m, name)) for turn in self.turns[::-1])
        return next(filter(None, found), [])

    def sources(self, kind: str) -> list[str]:
        """What the last turn's results of a kind were made from; none when it ended otherwise.

        "And to French" after a translation means the text itself: a translation of a translation
        would be a worse one.
        """
        last = self._last()
        shown = [made for made in last.made if made.shown] if last else []
        return _each_once(made.source for made in shown if made.source and _is(made, kind))

    def _last(self) -> Earlier | None:
        return next((turn for turn in reversed(self.turns) if turn.result is not None), None)


def _sources(made: Sequence[Made]) -> list[str]:
    """The texts that results were made from; what was searched for is none."""
    texts = (one for one in made if family_of(one.skill).style is Style.TEXT)
    return [one.source for one in texts if one.source]


def _is(made: Made, name: str) -> bool:
    return family_of(made.skill).name == name or name in stems_of(made.skill)


_LONGEST = 100


def place_only(heard: Heard) -> set[str] | None:
    """The words of a message that only points at one of several results: "the second one"."""
    plain = heard.source.plain.strip(" .!?")
    words = set(plain.split())
    if len(plain) > _LONGEST or not words & PLACES or asks(plain) or unclaimed(plain, most=1):
        return None
    return words


def lacks_language(wishes: Sequence[Wish]) -> bool:
    """Whether a wish was for a translation into no language."""
    return any(wish.lacks_target for wish in wishes)


def with_text(wish: Wish, text: str) -> Wish:
    """The wish with another text, or with what a text points at."""
    if wish.family.style is Style.REQUEST:
        return replace(wish, request=f"{wish.request}\n\nNow for: {text}", data=None)
    pointing = fold(text) if points(fold(text)) else ""
    targets = dict.fromkeys(item.target for item in wish.argument.items) or {None: None}
    items = tuple(Item(None if pointing else text, target) for target in targets)
    argument = replace(wish.argument, items=items, points_at=pointing)
    return replace(wish, argument=argument, elliptic=False)


def with_targets(wish: Wish, tags: Sequence[str]) -> Wish:
    """The wish with other languages to go to."""
    texts = dict.fromkeys(item.text for item in wish.argument.items)
    items = tuple(Item(text, tag) for text in texts for tag in tags)
    argument = replace(wish.argument, items=items, unknown_language=None)
    return replace(wish, argument=argument)
