"""A wish: its kind of work, what it is about, and how long or how many."""

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from typing import Any

from chat_svc.planner.forms import QUOTE, blanked, data, form, spell_out
from chat_svc.planner.source import Source


class Style(StrEnum):
    """What an agent of a family is given."""

    TEXT = "text"
    """A text to work on."""
    QUERY = "query"
    """A subject."""
    REQUEST = "request"
    """The wish as it was said."""


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of work.

    Attributes:
        name: what a person calls it ("translate").
        phrases: skill words that mean it, the usual one first.
        targeted: whether it needs a language to go to.
        tells_about: whether its result is not the text in another form but something about it.
    """

    name: str
    phrases: tuple[str, ...]
    style: Style
    targeted: bool = False
    tells_about: bool = False

    @property
    def known(self) -> bool:
        """Whether a verb or a skill says the kind of work."""
        return bool(self.name)


def _family(name: str, phrases: str, style: str, **more: bool) -> Family:
    return Family(name, tuple(phrases.split(",")), Style(style), **more)


BY_KEY = {key: _family(**one) for key, one in data("families").items()}
"""The families by the words that the data files have for them."""
FAMILIES = tuple(BY_KEY.values())
SUMMARIZE, TRANSLATE, LOCALIZE, SEARCH = FAMILIES[:4]
UNKNOWN = Family("", (), Style.REQUEST)
"""Of a wish in free words: whoever does it is given the wish as it was said."""

# Skill words that say how an agent works, not at what: they are asked for by the word alone.
QUALITIES = frozenset({"general", "premium", "negotiable"})


def quality(word: str) -> Family:
    """The family of agents that list the quality `word` ("premium") as a skill."""
    return Family(f"do a {word} task", (word,), Style.REQUEST)


@dataclass(frozen=True, slots=True)
class Verb:
    """A way to ask for the work of a family.

    Attributes:
        language: where a language must be named for it to mean this family: "inside", "after";
            empty for anywhere or nowhere.
        weak: an agent that offers the subject itself comes first ("tell me about the weather").
    """

    family: Family
    pattern: re.Pattern[str]
    language: str = ""
    weak: bool = False


@cache
def verbs() -> tuple[Verb, ...]:
    """All of them, in the order in which they are tried."""
    return tuple(
        Verb(
            BY_KEY[one["kind"]],
            re.compile(f"(?:{spell_out(one['pattern'])})(?![\\w])"),
            one.get("language", ""),
            one.get("weak", False),
        )
        for one in data("verbs")["verb"]
    )


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
        return (
            self.source.original(self.base + start, self.base + end)
            .strip(" \t\n,")
            .lstrip(": \t\n")
            .rstrip(" (")
        )

    def without(self, start: int, end: int) -> "View":
        """The view with `text[start:end]` blanked."""
        return replace(self, text=blanked(self.text, start, end))

    def without_match(self, pattern: re.Pattern[str], near: int) -> "View":
        """The view without a match near its end."""
        found = pattern.search(self.text, max(0, len(self.text) - near))
        return self.without(*found.span()) if found else self

    def quotes(self) -> tuple[str, ...]:
        """The quotations in it."""
        return self.source.quotes_in(self.base, self.base + len(self.text))


def points(text: str) -> bool:
    """Whether folded `text` only points at a text instead of giving one."""
    if len(text) > POINTING_LENGTH or QUOTE in text:
        return False
    return bool(form("pointing").fullmatch(text) or form("pointing_with_adjective").fullmatch(text))


@dataclass(frozen=True, slots=True)
class Mention:
    """An agent called by name: whom it may mean (none known: empty), and where the words end."""

    name: str
    agent_ids: tuple[str, ...]
    end: int


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing that a person wants done.

    Attributes:
        request: the words for it as typed, with the text that belongs to it.
        family: the kind of work; unknown when no known verb says it.
        argument: what it is about.
        mention: the agent asked for by name, None when anyone may do it.
        weak: whether an agent that offers the very subject comes before the family.
        data: the text that came with it, for an agent that is asked in the person's words.
        elliptic: whether it only names a language ("and to French").
    """

    request: str
    family: Family
    argument: Argument
    mention: Mention | None = None
    weak: bool = False
    data: str | None = None
    elliptic: bool = False

    @property
    def texts(self) -> list[str]:
        """The texts of its own."""
        return [item.text for item in self.argument.items if item.text]

    @property
    def lacks_text(self) -> bool:
        """Whether it has no text and no subject of its own."""
        given = self.family.style is Style.REQUEST or self.argument.look_up or self.texts
        return not given

    @property
    def lacks_target(self) -> bool:
        """Whether it goes to a language, and names none."""
        return self.family.targeted and any(item.target is None for item in self.argument.items)
