"""Whether a text was given at all, or only something that points at one, names one or links to one.

What an agent would be paid for has to be there: nobody here opens a link, a file or a mailbox.
"""

import re

from chat_svc.planner.folding import fold, word_set
from chat_svc.planner.vocabulary import says, spelled, unclaimed

_LONGEST_THIN = 60
_FEW = 14
_NEAR = 4
_ALONE = word_set("it this that these those them something anything everything")
POINTING_WORDS = _ALONE | word_set(
    "este esta esto ce cet cette das diesen dieses questo questa isto"
)
ANY = word_set("the a an my our your his her their some any all")
_NAMES_ONE = (
    ANY
    | POINTING_WORDS
    | word_set(
        "el la los las un una mi le les une mon ma mes der die das den dem ein eine einen mein"
        " meine"
        " meinen il lo i gli uno mio mia o os as um uma meu minha"
    )
)
_LINK = re.compile(r"(?:the |this |that |la |le |die )?(?:\w+ )?(?:https?://|www\.)\S+")
_PLACE = re.compile(
    r"\b[\w-]+\.(?:com|org|net|edu|gov|io|pdf|docx?|txt|pptx?|xlsx?|csv|html?|epub)\b"
)
_INTO_TEXT = re.compile(r"[\w'-]+(?: [\w'-]+){0,2} [A-ZÀ-Ý][\w'-]+ [\w'-]+")
_SENT = re.compile(
    r"(?:that |which |what )?(?:i|you|we|he|she|they) (?:have |had |just |already ){0,2}"
    r"(?:sent|gave|wrote|pasted|uploaded|told|shared|posted|attached|mentioned)\b"
)
_PART = re.compile(r"\w+ (?:\d+|one|two|three|(?:of|from|in) (?:the|my|this|that|our))\b")
_LED = re.compile(
    r"(?:but|and|or|only|just|please|in|as|no|not|with|without|for|also|then) [^:.]{0,40}: "
)
_SETS_OFF = re.compile(r"[a-z][\w' -]{0,60}: [A-ZÀ-Ý]")
_SAYS_HOW = re.compile(
    r"\(|(?:as|in|of|for|with|about|using|from|to|into)\b[^.!?\n]{0,60}(?::|--|>>)"
)


def only_points(text: str) -> bool:
    """Whether a text is no material but points at some: "this text", "the quoted text"."""
    folded = fold(text).strip(" .!?,;:")
    if not any(map(str.isalnum, folded)):
        return True
    if len(folded) > _LONGEST_THIN or unclaimed(folded, most=1):
        return False
    words = folded.split()
    first = words[0] in POINTING_WORDS or (words[0] in ANY and len(words) > 1)
    return first and (says("material", folded) or words[0] in _ALONE)


def is_link(text: str) -> bool:
    """Whether a text is the place of one: an address in the web, or a file."""
    folded = fold(text[:400]).strip()
    few = len(folded.split()) <= _NEAR
    return _LINK.fullmatch(folded) is not None or (few and _PLACE.search(folded) is not None)


def names_one(text: str) -> bool:
    """Whether words name a text that is somewhere else: "my notes from yesterday"."""
    words = fold(text[: 20 * _FEW]).split()
    if not words or len(words) > _FEW:
        return False
    if _PART.match(" ".join(words)) and spelled("holders").match(words[0]):
        return True
    if _SENT.match(" ".join(words)):
        return True
    if words[0] not in _NAMES_ONE:
        return False
    begin = " ".join(words[1 : 1 + _NEAR])
    return spelled("holders").search(begin) is not None


def holds_asking(text: str) -> bool:
    """Whether a text as typed begins with words that asked for it: "this txt Our neighbours"."""
    if _SAYS_HOW.match(text):
        return True
    if _SETS_OFF.match(text) or _LED.match(text):
        return True
    first = fold(text[:80]).split()[:1]
    pointed = first and first[0] in POINTING_WORDS
    return bool(pointed and text[:1].islower() and _INTO_TEXT.match(text))
