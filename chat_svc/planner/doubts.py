"""Signs that nothing is there to work on, or that words were not understood."""

import re
from collections.abc import Iterable

from chat_svc.planner.forms import fold, form, has, spelled, word_set
from chat_svc.planner.hearing import Heard
from chat_svc.planner.match import stem, words_of
from chat_svc.planner.vocabulary import EVERYTHING, KINDS, says, unclaimed
from chat_svc.planner.zones import is_prose

LONGEST_QUERY = 240
_FEW = 14
_NEAR = 4
_SHORT = 3
_STRANGERS = 2
_LONGEST_TEXT = 4_000
_INSTRUCTION = 160


def only_points(text: str) -> bool:
    """Whether a text is no material but points at some: "this text", "the quoted text"."""
    folded = fold(text).strip(" .!?,;:")
    pointing = word_set("pointing_words") | word_set("any")
    points = bool(pointing.intersection(folded.split()[:1])) and says("material", folded)
    return (points or not folded) and not unclaimed(folded, most=1)


def is_link(text: str) -> bool:
    """Whether a text is the place of one: an address in the web, or a file."""
    folded = fold(text[:400]).strip()
    return len(folded.split()) <= _NEAR and has("place", folded)


def names_one(text: str) -> bool:
    """Whether words name a text that is somewhere else: "my notes from yesterday"."""
    words = fold(text[: 20 * _FEW]).split()
    named = word_set("names_one").intersection(words[:1])
    held = named and says("holders", " ".join(words[: 1 + _NEAR]))
    return len(words) <= _FEW and bool(held or has("names_one", " ".join(words)))


def is_no_subject(query: str) -> bool:
    """Whether a search is for what only the conversation could tell, for nothing, or for a text.

    Nobody in the world knows "what's my name", "where did I put it" or "who owns this site".
    """
    folded = fold(query[: 2 * LONGEST_QUERY]).strip(" .!?")
    if is_prose(folded):
        return True
    asked = form("asked").match(folded) is not None
    known = not unclaimed(form("nothing").sub(" ", folded), EVERYTHING, most=1)
    told = form("in_general").sub(" ", folded)
    vague = has("somebody", told) and len(unclaimed(told, EVERYTHING, most=3)) <= _STRANGERS
    empty = known and (asked or len(folded.split()) <= _SHORT)
    return bool(empty or vague or has("at_hand", told) or form("no_subject").search(folded))


def is_beside(query: str, text: str) -> bool:
    """Whether a question stands beside a long text, which it is about."""
    asked = form("asked").match(fold(query[:LONGEST_QUERY])) is not None
    return asked and len(text.split()) > 3 * len(query.split()) + _FEW


def is_told(query: str, texts: Iterable[str]) -> bool:
    """Whether a question has no word of its own beside those of texts worked on before."""
    folded = fold(query[:LONGEST_QUERY])
    known = {stem(word) for text in texts for word in words_of(text[:_LONGEST_TEXT])}
    own = {stem(word) for word in unclaimed(folded)}
    return form("asked").match(folded) is not None and bool(own) and own <= known


def _instruction(heard: Heard) -> str:
    """The folded words that ask, as far as form tells them apart."""
    if heard.zones is not None:
        return fold(heard.zones.instruction)
    return re.split("[:\n]", heard.source.plain[:_INSTRUCTION], maxsplit=1)[0]


def refused(heard: Heard, kind: str) -> bool:
    """Whether a refusal that nobody understood stands next to a kind of work."""
    words = form("harmless").sub(" ", _instruction(heard))
    told = (one["what"] for one in form("negation").finditer(words))
    return kind in KINDS and any(spelled(kind).search(what) for what in told)


def half_followed(heard: Heard, texts: list[str]) -> str:
    """What is asked for that nobody does here: a part of a text, a second thought, a sum."""
    words = own = _instruction(heard)
    for text in texts:
        own = own.replace(fold(text), " ")
    half = form("half_followed").search(words) if any(t in heard.text for t in texts) else None
    found = half or form("sum").search(own)
    return found[0] if found else ""
