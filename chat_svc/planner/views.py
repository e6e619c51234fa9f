"""A clause's object while it is being read, and what was read."""

from dataclasses import dataclass, field, replace
from typing import Any

from chat_svc.planner.folding import QUOTE
from chat_svc.planner.forms import form
from chat_svc.planner.source import Source

EDGE = 150
"""Characters at either end of a long unquoted text in which anything but text is looked for."""
POINTING_LENGTH = 300
"""Characters that words may have that only point at a text."""
AT_END = " .!?,;\n\t"


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of work: its own text (None: what the clause points at) and where it goes."""

    text: str | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Argument:
    """What a clause is about.

    Attributes:
        items: pieces of work.
        points_at: the folded words that point at a text ("it", "the summary").
        options: `max_length`, `num_results`, `source_language`.
        look_up: a subject to search for first, whose result is then worked on.
        then_to: languages that the result is to be translated into.
        unknown_language: a word that stands where a language should, but is none.
    """

    items: tuple[Item, ...] = (Item(),)
    points_at: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    look_up: str | None = None
    then_to: tuple[str, ...] = ()
    unknown_language: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """A clause's object, folded; words that are understood get blanked out of `text`."""

    source: Source
    base: int
    text: str

    def raw(self, start: int, end: int) -> str:
        """What was typed at `text[start:end]`, trimmed."""
        return self.source.original(self.base + start, self.base + end).strip(" \t\n,")

    def without(self, start: int, end: int) -> "View":
        """The view with `text[start:end]` blanked."""
        blanked = self.text[:start] + " " * (end - start) + self.text[end:]
        return replace(self, text=blanked)

    def quotes(self) -> tuple[str, ...]:
        """The quotations in it."""
        return self.source.quotes_in(self.base, self.base + len(self.text))


def points(text: str) -> bool:
    """Whether folded `text` only points at a text instead of giving one."""
    if len(text) > POINTING_LENGTH or QUOTE in text:
        return False
    return bool(form("pointing").fullmatch(text) or form("pointing_with_adjective").fullmatch(text))
