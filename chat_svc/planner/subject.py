"""Whether the words of a search are about something in the world, which a search could find."""

import re

from chat_svc.planner.folding import fold, word_set
from chat_svc.planner.given import names_one
from chat_svc.planner.vocabulary import unclaimed
from chat_svc.planner.zones import is_prose

_FEW = 8
_LONGEST_QUERY = 240
_ASKED = re.compile(
    r"(?:what|who|how(?! to)|why|when|where|which|whose|is|does|did|was|were|are|do)\b"
)
# Nobody in the world knows "what's my name" or "where is my parcel".
_OF_MINE = re.compile(
    r"(?:what|where|when|who|which|did|has|is|are|was)(?:'?s| is| are| was)? my\b"
)
_OF_THAT = re.compile(
    r"(?:what|how|why|when|where) (?:it|he|she|they)\b|"
    r"(?:(?:what|who|how|why|when|where|which) )?(?:does|did|do|is|was|are|were|has|have|will|would"
    r"|can|could|should|didn't|doesn't|isn't) (?:it|that|this|they|he|she|those|these|you)\b"
)
_MINE = re.compile(r"my (?:last |own |latest |new )?\w+")
_SOMETHING = re.compile(
    r"(?:something|anything|stuff|things|everything)\b(?! (?:about|on)\b)|(?:what|how) about:"
)
_NOTHING = re.compile(r"\b(?:information|infos?|facts?|sources?|things?|stuff|details)\b")
_TOLD = re.compile(
    r"\b(?:i|we) (?:have |just |had )?(?:told|sent|gave|showed|asked|mentioned to) (?:you|it)\b"
    r"|how (?:much|many) \w+ (?:do i ha|have i|did i)"
)
_OURS = re.compile(r"(?:my|our|your)\b")
_STRANGERS = 2
_SHORT = 3
_VAGUE = re.compile(r"\b(?:it|that|this|them|they|him|her|these|those)$")
_MONEY_BESIDES = re.compile(r"[,;] [^,;]*\b(?:costs?|price|money|budget|cheap|expensive)\b")
_GOES_ON = re.compile(r"\b(?:translat\w+|summari[sz]\w+|sum) (?:it|that|this|them)\b")
_LOOSE = word_set("again also too then but now instead please just only once")
_NEARBY = re.compile(r"\b(?:this|that|it|here|you|your|yours|my|our|ours|me)\b")
_TIMES = re.compile(r"\b(?:yesterday|today|last|so far|this (?:week|month)|recently|just now)\b")
_IN_GENERAL = re.compile(
    r"(?:how|what|when|where|why)(?:'s)? (?:do|can|should|would|could|must) (?:i|you|we|one)\b"
    r"|\bit (?:true|possible|safe|legal|called|take|takes|cost|mean|means)\b|\b(?:is|was) it\b"
)


def is_no_subject(query: str) -> bool:
    """Whether a search is for what only the conversation could tell, for nothing, or for a text."""
    folded = fold(query[: 2 * _LONGEST_QUERY]).strip(" .!?")
    if is_prose(folded):
        return True
    words = len(folded.split())
    if words > _FEW:
        return False
    strange = len(unclaimed(_ASKED.sub(" ", folded, count=1), most=_STRANGERS + 1))
    if _TOLD.search(folded) or _OF_MINE.match(folded) or _is_nearby(folded, strange):
        return True
    if words <= _SHORT and not unclaimed(_NOTHING.sub(" ", folded), most=1):
        return True
    if strange <= _STRANGERS and _is_vague(folded):
        return True
    return _ASKED.match(folded) is not None and (_VAGUE.search(folded) is not None or not strange)


def _is_vague(folded: str) -> bool:
    if _OURS.match(folded) and names_one(folded):
        return True
    of_that = _OF_THAT.match(folded) is not None and _IN_GENERAL.search(folded) is None
    return of_that or any((_SOMETHING.match(folded), _MINE.fullmatch(folded)))


def _is_nearby(folded: str, strange: int) -> bool:
    """Whether a question is about what is at hand: "who owns this site", "where are my bills"."""
    if _ASKED.match(folded) is None:
        return False
    most = _STRANGERS if _TIMES.search(folded) else int(" my " in folded)
    if strange <= most:
        return True
    general = _IN_GENERAL.search(folded) is not None
    return not general and strange <= _STRANGERS and _NEARBY.search(folded) is not None


def is_loose(query: str) -> bool:
    """Whether a query begins with words that belong to the asking: "again but for coffee"."""
    folded = fold(query[:_LONGEST_QUERY])
    return folded.split()[:1] != [] and (
        folded.split()[0] in _LOOSE
        or _MONEY_BESIDES.search(folded) is not None
        or _GOES_ON.search(folded) is not None
    )
