"""Whether a text was given at all, or only something that points at one, names one or links to one.

What an agent would be paid for has to be there: nobody here opens a link, a file or a mailbox.
"""

from chat_svc.planner.folding import fold
from chat_svc.planner.forms import form, spelled, word_set
from chat_svc.planner.vocabulary import says, unclaimed

_LONGEST_THIN = 60
_FEW = 14
_NEAR = 4


def only_points(text: str) -> bool:
    """Whether a text is no material but points at some: "this text", "the quoted text"."""
    folded = fold(text).strip(" .!?,;:")
    if not any(map(str.isalnum, folded)):
        return True
    if len(folded) > _LONGEST_THIN or unclaimed(folded, most=1):
        return False
    words = folded.split()
    first = words[0] in word_set("pointing_words") or (
        words[0] in word_set("any") and len(words) > 1
    )
    return first and (says("material", folded) or words[0] in word_set("alone"))


def is_link(text: str) -> bool:
    """Whether a text is the place of one: an address in the web, or a file."""
    folded = fold(text[:400]).strip()
    few = len(folded.split()) <= _NEAR
    return form("link").fullmatch(folded) is not None or (
        few and form("place").search(folded) is not None
    )


def names_one(text: str) -> bool:
    """Whether words name a text that is somewhere else: "my notes from yesterday"."""
    words = fold(text[: 20 * _FEW]).split()
    if not words or len(words) > _FEW:
        return False
    if form("part").match(" ".join(words)) and spelled("holders").match(words[0]):
        return True
    if form("sent").match(" ".join(words)):
        return True
    if words[0] not in word_set("names_one"):
        return False
    begin = " ".join(words[1 : 1 + _NEAR])
    return spelled("holders").search(begin) is not None


def holds_asking(text: str) -> bool:
    """Whether a text as typed begins with words that asked for it: "this txt Our neighbours"."""
    if form("says_how").match(text):
        return True
    if form("given_sets_off").match(text) or form("led").match(text):
        return True
    first = fold(text[:80]).split()[:1]
    pointed = first and first[0] in word_set("pointing_words")
    return bool(pointed and text[:1].islower() and form("into_text").match(text))
