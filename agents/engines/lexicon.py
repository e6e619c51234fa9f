"""A small dictionary that translates word by word, and finds out a text's language."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# An apostrophe inside a word ends a token and belongs to it: "l'eau" is "l'" and "eau".
_TOKEN = re.compile(r"[^\W\d_]+(?:['\u2019](?=[^\W\d_]))?")
_APOSTROPHES = "'\u2019"
_BETWEEN = re.compile(r"-|\s*")
"""What may stand between the words of a phrase."""
_SENTENCE_START = re.compile(r"(?:^|[.!?:…\n])[\s\"'“”\u2018«»¿¡(\[—-]*\Z")
_LOOK_BACK = 12
_DETECT_CHARACTERS = 5000

Key = tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """One direction of a row: how the dictionary spells the words, and what they become."""

    source: str
    target: str


@dataclass(frozen=True)
class Translation:
    """A translated text and the words that the dictionary did not have, in their order."""

    text: str
    unknown: tuple[str, ...]


class Lexicon:
    """Rows of words and phrases with one column for each language.

    A cell may hold several forms divided by "|": all are understood, the first is written.
    Where two rows share a form, the earlier row wins.
    """

    def __init__(self, path: Path) -> None:
        header, *rows = (line.split("\t") for line in path.read_text("utf-8").splitlines() if line)
        self.languages = tuple(header)
        self._rows = [[cell.split("|") for cell in row] for row in rows]
        self._known: dict[str, set[str]] = {}
        for row in self._rows:
            for language, forms in zip(self.languages, row, strict=True):
                for token in (token for form in forms for token in _key(form)):
                    self._known.setdefault(token, set()).add(language)
        self._entries_between = cache(self._entries)

    def detect(self, text: str, *, unlike: str) -> str | None:
        """The language that most of the text's words point to, or None without any evidence.

        Between equally likely ones it is the earlier column, but `unlike` only as the last.
        """
        scores = dict.fromkeys(self.languages, 0.0)
        for token in set(_TOKEN.findall(_fold(text[:_DETECT_CHARACTERS]))):
            languages = self._known.get(token, set())
            for language in languages:
                scores[language] += 1 / len(languages)
        best = max(self.languages, key=lambda language: (scores[language], language != unlike))
        return best if scores[best] else None

    def translate(self, text: str, source: str, target: str) -> Translation:
        """Replace every known phrase (the longest first) and word; keep all the rest."""
        text = unicodedata.normalize("NFC", text)
        entries = self._entries_between(source, target)
        longest = max(map(len, entries))
        tokens = list(_TOKEN.finditer(text))
        written: list[str] = []
        unknown: list[str] = []
        position = index = 0
        while index < len(tokens):
            length, entry = _longest_match(text, tokens[index : index + longest], entries)
            start, end = tokens[index].start(), tokens[index + length - 1].end()
            original = text[start:end]
            replacement = _in_case_of(text, start, original, entry) if entry else original
            if entry is None:
                unknown.append(original)
            elif original[-1] in _APOSTROPHES and replacement[-1] not in _APOSTROPHES:
                replacement += " "
            written += text[position:start], replacement
            position = end
            index += length
        return Translation("".join([*written, text[position:]]), tuple(dict.fromkeys(unknown)))

    def _entries(self, source: str, target: str) -> dict[Key, Entry]:
        here, there = self.languages.index(source), self.languages.index(target)
        entries: dict[Key, Entry] = {}
        for row in self._rows:
            for form in row[here]:
                entries.setdefault(_key(form), Entry(form, row[there][0]))
        return entries


def _fold(text: str) -> str:
    """Spell a text alike whatever its case, apostrophes or way to compose accents."""
    return unicodedata.normalize("NFC", text).casefold().replace("\u2019", "'")


def _key(form: str) -> Key:
    """The tokens of a form; the apostrophe of one such as "l'" belongs to its last token."""
    folded = _fold(form)
    tokens = _TOKEN.findall(folded)
    if folded[-1:] in _APOSTROPHES and tokens:
        tokens[-1] += "'"
    return tuple(tokens)


def _longest_match(
    text: str, tokens: list[re.Match[str]], entries: dict[Key, Entry]
) -> tuple[int, Entry | None]:
    """How many of the tokens belong together, and their entry (None for an unknown word)."""
    together = 1
    while together < len(tokens) and _BETWEEN.fullmatch(
        text, tokens[together - 1].end(), tokens[together].start()
    ):
        together += 1
    key = tuple(_fold(token.group()) for token in tokens[:together])
    for length in range(together, 0, -1):
        entry = entries.get(key[:length])
        if entry:
            return length, entry
    attached = together > 1 and tokens[0].end() == tokens[1].start()
    return (2 if attached else 1), None


def _in_case_of(text: str, start: int, original: str, entry: Entry) -> str:
    """The entry's translation with the capitals that the original has.

    A capital that belongs to the word itself ("Monday", "Haus", "I") is no reason for one.
    """
    if len(original) > 1 and original.isupper() and not entry.source.isupper():
        return entry.target.upper()
    own_capital = entry.source[0].isupper()
    starts = _SENTENCE_START.search(text, max(0, start - _LOOK_BACK), start) is not None
    if original[0].isupper() and (starts or not own_capital):
        return entry.target[0].upper() + entry.target[1:]
    return entry.target
