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
    """Names and ids as such are compared: who tells two apart by more than that is misled."""
    return sorted({_name_key(name) for name in names})


def _name_key(name: str) -> str:
    said = _WORD.findall(folded(_CAMEL_HUMP.sub(" ", name)))
    return "".join([word for word in said if word not in _TITLES] or said) or name
