"""Signs that nothing is there to work on, or that words were not understood."""

import re
from collections.abc import Iterable

from chat_svc.planner.forms import fold, form, has, spelled, word_set
from chat_svc.planner.hearing import Heard
from chat_svc.planner.match import stem, words_of
from chat_svc.planner.vocabulary import CLAIMED, EVERYTHING, KINDS, says, unclaimed
from chat_svc.planner.zones import is_prose

_FEW = 14
_NEAR = 4


def only_points(text: str) -> bool:
    """Whether a text is no material but points at some: "this text", "the quoted text"."""
    folded = fold(text).strip(" .!?,;:")
    if unclaimed(folded, most=1):
        return False
    first = folded.split()[:1]
    pointing = {*first} & (word_set("pointing_words") | word_set("any"))
    return not first or bool(pointing and says("material", folded))


def is_link(text: str) -> bool:
    """Whether a text is the place of one: an address in the web, or a file."""
    folded = fold(text[:400]).strip()
    return len(folded.split()) <= _NEAR and has("place", folded)


def names_one(text: str) -> bool:
    """Whether words name a text that is somewhere else: "my notes from yesterday"."""
    words = fold(text[: 20 * _FEW]).split()
    begin = " ".join(words[: 1 + _NEAR])
    if len(words) > _FEW or not words:
        return False
    return has("names_one", " ".join(words)) or (
        words[0] in word_set("names_one") and says("holders", begin)
    )


def holds_asking(text: str) -> bool:
    """Whether a text as typed begins with words that asked for it: "this txt Our neighbours"."""
    if form("says_how").match(text):
        return True
    if form("sets_off").match(text) or form("led").match(text):
        return True
    first = fold(text[:80]).split()[:1]
    pointed = first and first[0] in word_set("pointing_words")
    return bool(pointed and text[:1].islower() and form("into_text").match(text))


_LONGEST_QUERY = 240
_SHORT = 3
_STRANGERS = 2
_LONGEST_TEXT = 4_000


def is_no_subject(query: str) -> bool:
    """Whether a search is for what only the conversation could tell, for nothing, or for a text.

    Nobody in the world knows "what's my name", "where did I put it" or "who owns this site".
    """
    folded = fold(query[: 2 * _LONGEST_QUERY]).strip(" .!?")
    asked = form("asked").match(folded) is not None
    if is_prose(folded):
        return True
    known = EVERYTHING if asked else CLAIMED
    if (asked or len(folded.split()) <= _SHORT) and not unclaimed(
        form("nothing").sub(" ", folded), known, most=1
    ):
        return True
    paid = form("sum").search(folded)
    told = form("in_general").sub(" ", folded)
    vague = has("somebody", told) and len(unclaimed(told, EVERYTHING, most=3)) <= _STRANGERS
    return bool(paid or vague or has("at_hand", told) or form("something").match(folded))


def is_beside(query: str, text: str) -> bool:
    """Whether a question stands beside a long text, which it is about."""
    asked = form("asked").match(fold(query[:_LONGEST_QUERY])) is not None
    return asked and len(text.split()) > 3 * len(query.split()) + _FEW


def is_told(query: str, texts: Iterable[str]) -> bool:
    """Whether a question has no word of its own beside those of texts worked on before."""
    folded = fold(query[:_LONGEST_QUERY])
    known = {stem(word) for text in texts for word in words_of(text[:_LONGEST_TEXT])}
    own = {stem(word) for word in unclaimed(folded)}
    return form("asked").match(folded) is not None and bool(own) and own <= known


def is_loose(query: str) -> bool:
    """Whether a query begins with words that belong to the asking: "again but for coffee"."""
    folded = fold(query[:_LONGEST_QUERY])
    return folded.split()[:1] != [] and (
        folded.split()[0] in word_set("loose")
        or has("besides", folded)
        or has("works_on_that", folded)
    )


_INSTRUCTION = 160


def _instruction(heard: Heard) -> str:
    """The folded words that ask, as far as form tells them apart."""
    if heard.zones is not None:
        return fold(heard.zones.instruction)
    return re.split("[:\n]", heard.source.plain[:_INSTRUCTION], maxsplit=1)[0]


def refused(heard: Heard, kind: str) -> bool:
    """Whether a refusal that nobody understood stands next to a kind of work."""
    if kind not in KINDS:
        return False
    words = form("harmless").sub(" ", _instruction(heard))
    return any(spelled(kind).search(one["what"]) for one in form("negation").finditer(words))


def is_half_followed(heard: Heard) -> bool:
    """Whether something is asked for that nobody does here: a part of a text, a second thought."""
    return has("half_followed", _instruction(heard))


def sum_left(heard: Heard, texts: list[str]) -> str | None:
    """A sum of money in words that are no part of the texts to work on."""
    if heard.terms.cap is not None:
        return None
    plain = heard.source.plain if heard.zones is None else fold(heard.zones.instruction)
    for text in texts:
        plain = plain.replace(fold(text), " ")
    found = form("sum").search(plain[: 4 * _INSTRUCTION])
    return found[0] if found else None
