"""The kinds of work that people ask for in many words, and the skill words that mean each."""

from dataclasses import dataclass
from enum import Enum


class Style(Enum):
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


SUMMARIZE = Family(
    "summarize",
    ("summarize", "summarise", "summary", "summarization", "condense", "shorten", "tldr"),
    Style.TEXT,
)
TRANSLATE = Family("translate", ("translate", "translation"), Style.TEXT, targeted=True)
LOCALIZE = Family("localize", ("localization", "localize", "localise"), Style.TEXT, targeted=True)
SEARCH = Family("search", ("search", "web search", "research", "lookup", "retrieval"), Style.QUERY)
DETECT = Family(
    "detect the language of",
    ("language_detection", "detect language", "language identification"),
    Style.TEXT,
    tells_about=True,
)
ANALYZE = Family("analyze", ("analyze", "analyse", "analysis", "analytics"), Style.TEXT)
SYNTHESIZE = Family("synthesize", ("synthesis", "synthesize", "synthesise"), Style.QUERY)
CITE = Family("give citations for", ("citation", "cite", "citing"), Style.QUERY)
NEGOTIATE = Family(
    "negotiate", ("negotiate", "negotiation", "negotiator", "negotiable"), Style.REQUEST
)

FAMILIES = (SUMMARIZE, TRANSLATE, LOCALIZE, SEARCH, DETECT, ANALYZE, SYNTHESIZE, CITE, NEGOTIATE)
BY_KEY = {family.name.split()[0]: family for family in FAMILIES}
"""The families by the first word of their names."""

# Skill words that say how an agent works, not at what: they are asked for by the word alone.
QUALITIES = frozenset({"general", "premium", "negotiable"})


def quality(word: str) -> Family:
    """The family of agents that list the quality `word` ("premium") as a skill."""
    return Family(f"do a {word} task", (word,), Style.REQUEST)
