"""How long, how many: numbers that a person gives for the work ("in 50 words", "top 3")."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chat_svc.planner.families import CITE, SEARCH, SYNTHESIZE, Family

WORDS_IN_A_SENTENCE = 20
"""What "in two sentences" is taken to mean, for agents that count words."""
_DIGITS = 6

_COUNTING = "a single|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_NUMBERS: Mapping[str, int] = {
    **{word: max(number, 1) for number, word in enumerate(_COUNTING.split("|"))},
    "fifteen": 15,
    "twenty": 20,
    "fifty": 50,
    "a hundred": 100,
}
_NUMBER = rf"(\d{{1,{_DIGITS}}}|{'|'.join(_NUMBERS)})"
_AT_MOST = (
    r"(?:(?:about|around|at most|up to|under|max(?:imum)?(?: of)?|a max(?:imum)? of|no more than"
    r"|not more than|less than|fewer than|exactly|approximately|roughly|only|just|limit(?:ed)? to"
    r"|keep it (?:to|under|below)|limit it to|using|within|below) ){0,3}"
)
_LENGTH = re.compile(
    rf",? ?(?<![\w'-])(?:(?:and )?(?:in|to|into|with|of|en|em|auf|within) )?{_AT_MOST}{_NUMBER}[ -]"
    r"(?:(?:short|brief|simple|plain) )?"
    r"(words?|sentences?|palabras|mots|wortern?|worten|woerter|parole|palavras)(?![\w'-])"
    r"(?: (?:or (?:less|fewer)|max(?:imum)?|long|at most))?"
)
_COUNT = re.compile(
    rf",? ?(?<![\w'-])(?:(?:with|from|using|only|just|show|give me|return|limit to|and) ){{0,2}}"
    rf"(?:the )?(?:(?:top|first|best|max(?:imum)?|at most|up to) )?{_NUMBER} "
    r"(?:(?:best|top|good|different|reliable|recent|web|search|relevant) ){0,2}"
    r"(?:results?|sources?|links?|hits?|articles?|pages?|websites?|references?|resultados|quellen"
    r"|ergebnisse|resultats|risultati)(?![\w'-])(?: only| max(?:imum)?| at most)?"
    r"(?: (?:for|on|about)(?= \w))?"
)
_POINTS = re.compile(
    r",? ?(?<![\w'-])(?:(?:in|as|into|with|using|a|list of|form of) ){0,4}"
    rf"(?:{_AT_MOST}{_NUMBER}[ -])?"
    r"(?:(?:short|key|main|important|brief|clear) ){0,2}(?:bullet(?:ed)?[ -]?(?:points?|lists?)?s?"
    r"|points|bullets|takeaways|stichpunkten?|puntos|punti|pontos)(?![\w'-])"
    rf"(?: of (?:at most )?{_NUMBER} (?:items?|points?|bullets?))?"
)
_FINDING = frozenset({SEARCH, SYNTHESIZE, CITE})


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
    count = _COUNT.match(text, position)
    return count is not None and not text[count.end() : count.end() + 20].strip(" .!?")


def find_options(text: str, family: Family | None) -> Found | None:
    """The option in folded `text` that the family knows.

    It is `max_length` in words, or `num_results` for families that find things. `sentences` and
    `points` say which form the person wants; no agent counts them, so the answer is cut to it.
    """
    pattern = _COUNT if family in _FINDING else _LENGTH
    match = pattern.search(text)
    points = None if pattern is _COUNT else _points_in(text)
    if match is None or points is not None:
        return points
    number = _number(match[1])
    if pattern is _COUNT:
        return Found({"num_results": number}, match.start(), match.end())
    if not match[2].startswith("sentence"):
        return Found({"max_length": number}, match.start(), match.end())
    options = {"max_length": number * WORDS_IN_A_SENTENCE, "sentences": number}
    return Found(options, match.start(), match.end())


def _points_in(text: str) -> Found | None:
    """How many points are wanted ("as 3 bullet points"), as far as that is said."""
    match = _POINTS.search(text)
    if match is None:
        return None
    number = match[1] or match[2]
    if number is None:
        bullets = "bullet" in match[0] or "stichpunkt" in match[0]
        return Found({"points": 0}, match.start(), match.end()) if bullets else None
    count = _number(number)
    options = {"max_length": count * WORDS_IN_A_SENTENCE, "points": count}
    return Found(options, match.start(), match.end())
