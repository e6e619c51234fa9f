"""Whether the words of a search are about something in the world, which a search could find."""

from chat_svc.planner.folding import fold
from chat_svc.planner.forms import form, word_set
from chat_svc.planner.given import names_one
from chat_svc.planner.vocabulary import unclaimed
from chat_svc.planner.zones import is_prose

_FEW = 8
_LONGEST_QUERY = 240
_STRANGERS = 2
_SHORT = 3


def is_no_subject(query: str) -> bool:
    """Whether a search is for what only the conversation could tell, for nothing, or for a text."""
    folded = fold(query[: 2 * _LONGEST_QUERY]).strip(" .!?")
    if is_prose(folded):
        return True
    words = len(folded.split())
    if words > _FEW:
        return False
    strange = len(unclaimed(form("asked").sub(" ", folded, count=1), most=_STRANGERS + 1))
    if form("told").search(folded) or form("of_mine").match(folded) or _is_nearby(folded, strange):
        return True
    if words <= _SHORT and not unclaimed(form("nothing").sub(" ", folded), most=1):
        return True
    if strange <= _STRANGERS and _is_vague(folded):
        return True
    return form("asked").match(folded) is not None and (
        form("subject_vague").search(folded) is not None or not strange
    )


def _is_vague(folded: str) -> bool:
    if form("subject_ours").match(folded) and names_one(folded):
        return True
    of_that = (
        form("of_that").match(folded) is not None and form("in_general").search(folded) is None
    )
    return of_that or any((form("something").match(folded), form("mine").fullmatch(folded)))


def _is_nearby(folded: str, strange: int) -> bool:
    """Whether a question is about what is at hand: "who owns this site", "where are my bills"."""
    if form("asked").match(folded) is None:
        return False
    most = _STRANGERS if form("times").search(folded) else int(" my " in folded)
    if strange <= most:
        return True
    general = form("in_general").search(folded) is not None
    return not general and strange <= _STRANGERS and form("nearby").search(folded) is not None


def is_loose(query: str) -> bool:
    """Whether a query begins with words that belong to the asking: "again but for coffee"."""
    folded = fold(query[:_LONGEST_QUERY])
    return folded.split()[:1] != [] and (
        folded.split()[0] in word_set("loose")
        or form("money_besides").search(folded) is not None
        or form("subject_goes_on").search(folded) is not None
    )
