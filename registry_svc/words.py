"""What agents are found by: roots of words, folded so that case, accents and endings do not count.

Pure, and the same for what agents say of themselves and for what is looked for.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from unicodedata import combining, normalize

import snowballstemmer

_CAMEL_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[^\W_]+")


def _set(line: str) -> frozenset[str]:
    return frozenset(line.split())


_SILENT = _set(
    "a an and are as at be by can do for from has have i in into is it its me my of on or our that"
    " the their them this to us was what which who will with you your"
)
_TITLES = _set("the a an agent service bot assistant ai our my")
"""What is left away when somebody is called by a name."""
_LOOKS_LIKE = str.maketrans(
    "\u0430\u0432\u0435\u0455\u0456\u0458\u043a\u043c\u043d"
    "\u043e\u0440\u0441\u0442\u0443\u0445\u0501\u051b\u051d"
    "\u03b1\u03b2\u03b5\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7",
    "abesijkmhopctyxdqwabeikvoptyx",
)
"""Cyrillic, then Greek letters that are seen as Latin ones, small or large."""
MOST_OF_AN_AGENT = 150
"""Words that one agent is found by; those of its name and skills come first."""
MOST_OF_A_WORD = 64
WHOLE = "="
"""What a whole skill begins with, among words."""


def folded(text: str) -> str:
    """The text in small letters without accents, and every form of a character as one."""
    apart = normalize("NFKD", text).casefold()
    return "".join(mark for mark in apart if not combining(mark))


@lru_cache(maxsize=16_384)
def _root(word: str) -> str:
    # A stemmer keeps the word that it works on, so threads must not share one.
    return str(snowballstemmer.stemmer("english").stemWord(word))[:MOST_OF_A_WORD]


def roots(text: str) -> list[str]:
    """The roots of the telling words of a text, each once, in their order."""
    found = _WORD.findall(folded(_CAMEL_HUMP.sub(" ", text)))
    return list(dict.fromkeys(_root(word) for word in found if word not in _SILENT))


def whole(skill: str) -> str:
    """A skill as it is looked for in its very words."""
    return WHOLE + " ".join(folded(skill).split())[:MOST_OF_A_WORD]


def of_agent(
    id_: str, name: str, skills: Iterable[str], capabilities: Iterable[str], description: str
) -> list[str]:
    """The words that an agent is found by, the most telling first."""
    skills = list(skills)

    def said() -> Iterator[str]:
        yield from map(whole, skills)
        for text in (name, id_, *skills, *capabilities, description):
            yield from roots(text)

    return list(islice(dict.fromkeys(said()), MOST_OF_AN_AGENT))


def name_keys(*names: str) -> list[str]:
    """Names and ids as such are compared: who tells two apart by more than that is misled.

    Each as it is written, and as it is seen.
    """
    apart = [folded(_CAMEL_HUMP.sub(" ", name)) for name in names]
    return sorted({_name_key(text) for one in apart for text in (one, one.translate(_LOOKS_LIKE))})


def _name_key(text: str) -> str:
    said = _WORD.findall(text)
    return "".join([word for word in said if word not in _TITLES] or said) or text
