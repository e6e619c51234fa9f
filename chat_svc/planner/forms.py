"""The forms of requests, from the data files beside this one: patterns and sets of words."""

import re
import sys
import tomllib
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

QUOTE = "\0"
"""Stands for a whole quotation in folded text."""


_PLAIN_MARKS = {
    **dict.fromkeys(map(ord, "\u2018\u2019\u2039\u203a"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u00ab\u00bb"), '"'),
    **dict.fromkeys(map(ord, "\u2013\u2014"), "-"),
}


class _Folds(dict[int, str]):
    """Lower case, no accents, straight quotes and dashes; for `str.translate`."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if char == QUOTE or (char.isspace() and char != "\n"):
            folded = " "
        else:
            parts = unicodedata.normalize("NFD", char)
            accented = len(parts) > 1 and all(map(unicodedata.combining, parts[1:]))
            folded = (parts[0] if accented else char).lower()
            folded = folded if len(folded) == 1 else char
        self[code] = folded
        return folded


_FOLDS = _Folds(_PLAIN_MARKS)


def fold(text: str) -> str:
    """`text` in lower case without accents, of the same length."""
    return text.translate(_FOLDS)


LANGUAGES = ("en", "es", "fr", "de", "it", "pt")
_PLACE = Path(__file__).with_name("words")
_NAMED = re.compile(r"\{([a-z_]+)\}")


@cache
def data(name: str) -> dict[str, Any]:
    """A file of words by its name."""
    return tomllib.loads((_PLACE / f"{name}.toml").read_text(encoding="utf-8"))


@cache
def _forms() -> dict[str, str]:
    return {name: text for section in data("forms").values() for name, text in section.items()}


@cache
def _sets() -> dict[str, frozenset[str]]:
    return {
        name: frozenset(line.split())
        for name, line in data("sets").items()
        if isinstance(line, str)
    }


@cache
def entries_of(key: str) -> tuple[str, ...]:
    """What all the files list under a key, each once."""
    found: dict[str, None] = {}
    for language in LANGUAGES:
        found |= dict.fromkeys(data(language).get(key, "").split())
    return tuple(found)


def pattern_of(entries: tuple[str, ...]) -> str:
    """A pattern for any entry: a star is any ending, an underscore a space."""
    parts = (
        re.escape(entry).replace("_", r"[\s,]{1,3}").replace(r"\*", r"[\w-]*")
        for entry in sorted(entries, key=len, reverse=True)
    )
    return rf"(?<![\w'-])(?:{'|'.join(parts)})(?![\w-])"


@cache
def spelled(key: str) -> re.Pattern[str]:
    """A pattern over folded text for any entry of a key."""
    return re.compile(pattern_of(entries_of(key)))


def spell_out(text: str) -> str:
    """A pattern of one line, with the forms that it names written out."""
    known = _forms()

    def written(named: re.Match[str]) -> str:
        name = named[1]
        return spell_out(known[name]) if name in known else pattern_of(entries_of(name))

    return _NAMED.sub(written, text.replace("\n", ""))


@cache
def form(name: str) -> re.Pattern[str]:
    """The pattern of a name, over folded text."""
    return re.compile(spell_out(_forms()[name]))


def has(name: str, text: str, start: int = 0, end: int = sys.maxsize) -> bool:
    """Whether folded text has the form of a name in it."""
    return form(name).search(text, start, end) is not None


def word_set(name: str) -> frozenset[str]:
    """The folded words of a set."""
    return _sets()[name]


def blanked(text: str, start: int, end: int) -> str:
    """A text with spaces between two places."""
    return text[:start] + " " * (end - start) + text[end:]
