"""How long, how many, in which form: the numbers in the words of a wish."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chat_svc.planner.forms import data, form
from chat_svc.planner.wish import FAMILIES, Family, Style

WORDS_IN_A_SENTENCE = 20
"""What "in two sentences" is taken to mean, for agents that count words."""
SENTENCES_IN_A_PARAGRAPH = 4
_NUMBERS: Mapping[str, int] = data("sets")["numbers"]
_FINDING = frozenset(family for family in FAMILIES if family.style is Style.QUERY)


def _number(word: str) -> int:
    return _NUMBERS[word] if word in _NUMBERS else int(word)


@dataclass(frozen=True, slots=True)
class Found:
    """An option and where the words for it are."""

    options: dict[str, Any]
    start: int
    end: int


def asks_for_count(text: str, position: int) -> bool:
    """Whether folded `text` at `position` only says how many results are wanted."""
    count = form("count").match(text, position)
    return count is not None and not text[count.end() : count.end() + 20].strip(" .!?")


def find_options(text: str, family: Family) -> Found | None:
    """The option in folded `text` that the family knows.

    It is `max_length` in words, or `num_results` for families that find things. `sentences` and
    `points` say which form the person wants; no agent counts them, so the answer is cut to it.
    """
    pattern = form("count") if family in _FINDING else form("length")
    match = pattern.search(text)
    points = None if pattern is form("count") else _points_in(text)
    if match is None or points is not None:
        return points
    number = _number(match[1])
    if pattern is form("count"):
        return Found({"num_results": number}, match.start(), match.end())
    if match[2].startswith("paragraph"):
        number *= SENTENCES_IN_A_PARAGRAPH
    elif not match[2].startswith(("sentence", "line")):
        return Found({"max_length": number}, match.start(), match.end())
    options = {"max_length": number * WORDS_IN_A_SENTENCE, "sentences": number}
    return Found(options, match.start(), match.end())


def _points_in(text: str) -> Found | None:
    """How many points are wanted ("as 3 bullet points"), as far as that is said."""
    match = form("points").search(text)
    if match is None:
        return None
    number = match[1] or match[2]
    if number is None:
        bullets = "bullet" in match[0] or "stichpunkt" in match[0]
        return Found({"points": 0}, match.start(), match.end()) if bullets else None
    count = _number(number)
    options = {"max_length": count * WORDS_IN_A_SENTENCE, "points": count}
    return Found(options, match.start(), match.end())
