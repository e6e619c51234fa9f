"""The words that ask, from a data file per language: whatever they are, they are no material.

A message is understood by accounting for each of its words. The words here are claimed: they name
a kind of work, point at a text, ask nicely or say how. What nobody claims is what the work is on.
"""

import re
from functools import cache

from chat_svc.planner.forms import entries_of, form, pattern_of, spelled
from chat_svc.planner.languages import named_language

KINDS = ("summarize", "translate", "search", "detect", "analyze")
"""Kinds of work that may be named anywhere in an instruction; also keys of the files."""
CLAIMED = (*KINDS, "about_text", "material", "small", "numbers", "negation")
"""Keys of the words that are no material."""
ABOUT_US = ("myself", "balance", "spending", "tasks", "refund", "why", "agents")
"""Keys of the words of questions about oneself and the marketplace."""
EVERYTHING = (*CLAIMED, *ABOUT_US)


@cache
def _claimed_phrases() -> re.Pattern[str]:
    entries = tuple(
        e for key in CLAIMED for e in entries_of(key) if not form("vocabulary_word").fullmatch(e)
    )
    return re.compile(pattern_of(tuple(e for e in entries if "_" in e or ";" in e)))


@cache
def _words(keys: tuple[str, ...]) -> tuple[frozenset[str], tuple[str, ...]]:
    entries = [entry for key in keys for entry in entries_of(key)]
    whole = frozenset(e for e in entries if not e.endswith("*"))
    return whole, tuple({e[:-1] for e in entries if e.endswith("*")})


def unclaimed(text: str, keys: tuple[str, ...] = CLAIMED, most: int = 1_000) -> list[str]:
    """The words of folded text that are no part of the asking, at most so many.

    Names of languages and small numbers are part of it.
    """
    whole, begun = _words(keys)
    phrases = _claimed_phrases().sub(" ", text)
    left: list[str] = []
    for word in form("vocabulary_word").finditer(phrases):
        known = word[0] in whole or word[0].startswith(begun) or form("ordinary").fullmatch(word[0])
        if (
            not known
            and named_language(word[0]) is None
            and not _parts_known(word[0], whole, begun)
        ):
            left.append(word[0])
            if len(left) >= most:
                break
    return left


def _parts_known(word: str, whole: frozenset[str], begun: tuple[str, ...]) -> bool:
    """Whether a word is joined of known ones: "l'inglese", "two-sentence"."""
    parts = re.split(r"['-]", word)
    return len(parts) > 1 and all(
        part in whole or len(part) == 1 or named_language(part) or part.startswith(begun)
        for part in parts
    )


def says(key: str, text: str) -> bool:
    """Whether folded text has an entry of a key in it."""
    return spelled(key).search(text) is not None
