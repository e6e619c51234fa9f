"""What "it", "the summary" and "both" mean after earlier turns of the conversation."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from chat_svc.planner.families import SEARCH, SUMMARIZE, TRANSLATE
from chat_svc.planner.forms import form
from chat_svc.planner.match import family_of, stems_of
from chat_svc.planner.model import Earlier, Made

_NAMED = (
    (SUMMARIZE, frozenset({"summary", "summaries"})),
    (TRANSLATE, frozenset({"translation", "translations"})),
    (SEARCH, frozenset({"findings", "sources", "search"})),
)
_SEVERAL = frozenset({"both", "all", "everything", "each"})


_PLACES = {
    0: frozenset({"first", "1st", "primero", "primer", "premier", "erste", "ersten", "primo"}),
    1: frozenset({"second", "2nd", "segundo", "deuxieme", "zweite", "zweiten", "secondo"}),
    2: frozenset({"third", "3rd", "tercero", "troisieme", "dritte", "dritten", "terzo"}),
    3: frozenset({"fourth", "4th", "cuarto", "quatrieme", "vierte", "vierten", "quarto"}),
    4: frozenset({"fifth", "5th", "quinto", "cinquieme", "funfte", "funften"}),
}
PLACES = frozenset().union(*_PLACES.values())
"""Words for the place of one result among several."""


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
    """The earlier turns, oldest first."""

    turns: Sequence[Earlier] = ()

    def meant(self, words: set[str]) -> list[str]:
        """The texts that folded words point at: those that they name, else the last result."""
        for family, names in _NAMED:
            made = self._newest(partial(_is, kind=family.name)) if names & words else []
            if made:
                return made
        last = self._last()
        if last is None or last.result is None:
            return []
        place = next((place for place, names in _PLACES.items() if names & words), None)
        if place is not None and (items := results_of(last)):
            return [items[place]] if -len(items) <= place < len(items) else []
        if "original" in words and (sources := [m.source for m in last.made if m.source]):
            return sources[:1]
        shown = _each_once(made.text for made in last.made if made.shown)
        return shown if words & _SEVERAL and len(shown) > 1 else [last.result]

    def made_by(self, root: str) -> list[str]:
        """The newest results of an agent with a skill that has this root, like "haiku"."""
        return self._newest(lambda one: root in stems_of(one.skill))

    def sources(self, kind: str) -> list[str]:
        """What the last turn's results of a kind were made from; none when it ended otherwise.

        "And to French" after a translation means the text itself: a translation of a translation
        would be a worse one.
        """
        last = self._last()
        shown = [made for made in last.made if made.shown] if last else []
        if not all(made.source and _is(made, kind) for made in shown):
            return []
        return _each_once(made.source for made in shown if made.source)

    def _last(self) -> Earlier | None:
        return next((turn for turn in reversed(self.turns) if turn.result is not None), None)

    def _newest(self, fits: Callable[[Made], bool]) -> list[str]:
        for turn in reversed(self.turns):
            found = _each_once(made.text for made in turn.made if fits(made))
            if found:
                return found
        return []


def _is(made: Made, kind: str) -> bool:
    family = family_of(made.skill)
    return family is not None and family.name == kind
