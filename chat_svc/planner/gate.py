"""The gate before every purchase: why an agent is not to be paid for a wish, as values.

It is asked by both orchestrators' moves before an order leaves. It knows the words of the person
and what is to be bought for them, and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from chat_svc.planner.account import Topic, about_us
from chat_svc.planner.doubts import (
    holds_asking,
    is_link,
    is_loose,
    is_no_subject,
    names_one,
    only_points,
    refused,
    sum_left,
)
from chat_svc.planner.forms import QUOTE, fold, form, word_set
from chat_svc.planner.hearing import Heard, hear
from chat_svc.planner.model import money
from chat_svc.planner.vocabulary import says, unclaimed
from chat_svc.planner.zones import is_prose

_MOST_STRANGERS = 2
_LONGEST_QUERY = 240
_LEAST_SUMMARIZED = 6
# Kinds of work that take a text or a subject; others are told in words what to do.
_ON_A_TEXT = frozenset({"summarize", "translate", "search", "analyze", "localize"})


class Reason(Enum):
    """Why nothing is bought."""

    NOTHING_GIVEN = "nothing given"
    """The material is missing, or only words that point at some."""
    NO_SUBJECT = "no subject"
    """A search for what only the conversation can tell ("who wrote it?"), or for a whole text."""
    LEFT_OVER = "left over"
    """The words hold more than what was understood of them."""
    FORBIDDEN = "forbidden"
    """The person said not to."""
    OVER_CAP = "over the cap"
    """It costs more than the person named."""
    ABOUT_US = "about us"
    """It is a question about the account or the marketplace, which is answered for free."""


@dataclass(frozen=True, slots=True)
class Objection:
    """A reason, and what it is about in words for the person."""

    reason: Reason
    about: str


@dataclass(frozen=True, slots=True)
class Purchase:
    """What is to be bought.

    Attributes:
        kind: of work, by the word for it ("translate").
        text: what the agent works on; None when it is the result of an earlier step.
        price: BazaarBucks that the agent asks for.
    """

    kind: str
    text: str | None
    price: Decimal


def objections(
    said: str | Heard, purchases: Sequence[Purchase], *, whole: bool = True
) -> tuple[Objection, ...]:
    """All that speaks against buying these for what a person said; none when they may be bought.

    Args:
        said: the message, as typed or as heard.
        purchases: everything that it is to cost, what was bought for it before included.
        whole: whether words that nobody claims count; a model may have understood them.
    """
    heard = hear(said) if isinstance(said, str) else said
    found = [*_forbidden(heard, purchases), *_thin(heard, purchases)]
    found += _no_subject(purchases) if whole and not heard.source.quotes else []
    cap = heard.terms.cap
    total = sum((one.price for one in purchases), Decimal(0))
    if cap is not None and total > cap:
        found.append(Objection(Reason.OVER_CAP, f"{money(total)}, more than {money(cap)}"))
    given = heard.zones is not None or heard.source.quotes
    topic = None if given else about_us(heard.source.plain.strip())
    if purchases and topic not in (None, Topic.AGENTS):
        found.append(Objection(Reason.ABOUT_US, heard.text))
    found += _doubts(heard, purchases) if whole else []
    strangers = _left_over(heard, purchases) if whole else []
    if purchases and len(strangers) > _MOST_STRANGERS:
        found.append(Objection(Reason.LEFT_OVER, " ".join(strangers[:8])))
    return tuple(dict.fromkeys(found))


def _doubts(heard: Heard, purchases: Sequence[Purchase]) -> list[Objection]:
    """What is still there of limits and refusals, and what a search is not for."""
    found: list[Objection] = []
    texts = [one.text for one in purchases if one.text is not None]
    if purchases and (left := sum_left(heard, texts)):
        found.append(Objection(Reason.LEFT_OVER, left))
    for one in purchases:
        about = " ".join((one.text or "").split()[:8])
        if refused(heard, one.kind):
            found.append(Objection(Reason.FORBIDDEN, one.kind))
        if one.text is None or one.text not in heard.text:
            continue
        if one.kind == "search" and not heard.source.quotes and is_loose(one.text):
            found.append(Objection(Reason.LEFT_OVER, about))
    return found


def cap_of(said: str) -> Decimal | None:
    """BazaarBucks that a message may cost by its own words; None when it names no limit."""
    return hear(said).terms.cap


def _forbidden(heard: Heard, purchases: Sequence[Purchase]) -> list[Objection]:
    terms = heard.terms
    return [
        Objection(Reason.FORBIDDEN, one.kind)
        for one in purchases
        if one.kind in terms.forbidden or terms.nothing
    ]


def _thin(heard: Heard, purchases: Sequence[Purchase]) -> list[Objection]:
    """What is no text to work on, or holds words that asked for it."""
    found: list[Objection] = []
    for one in purchases:
        if one.text is None or one.kind not in _ON_A_TEXT or one.text not in heard.text:
            continue
        about = " ".join(one.text.split()[:8])
        if one.kind != "search" and is_link(one.text):
            found.append(Objection(Reason.NOTHING_GIVEN, about))
        elif one.kind != "search" and holds_asking(one.text) and not _is_material(heard, one.text):
            found.append(Objection(Reason.LEFT_OVER, about))
        elif _is_set_apart(heard):
            continue
        elif only_points(one.text) or _is_elsewhere(heard, one.kind, one.text):
            found.append(Objection(Reason.NOTHING_GIVEN, about))
        elif is_prose(one.text) and _begins_with_asking(one.text):
            found.append(Objection(Reason.LEFT_OVER, about))
    return found


def _is_material(heard: Heard, text: str) -> bool:
    """Whether a text is what form alone sets apart."""
    zones = heard.zones
    if zones is None:
        return bool(heard.source.quotes)
    return zones.announced and text in zones.material


def _is_set_apart(heard: Heard) -> bool:
    """Whether form alone says what the material is, or there is enough of it."""
    zones = heard.zones
    if zones is None:
        return bool(heard.source.quotes)
    return zones.announced or is_prose(fold(zones.material))


def _is_elsewhere(heard: Heard, kind: str, text: str) -> bool:
    """Whether words that nothing sets apart only name a text, or are too few for a summary."""
    if kind == "search" or form("announced").search(heard.text[: heard.text.index(text)]):
        return False
    few = text[0].islower() and len(text.split()) < _LEAST_SUMMARIZED
    folded = fold(text[:_LONGEST_QUERY])
    told = says("holders", folded) and not unclaimed(folded, most=1)
    return names_one(text) or (kind == "summarize" and (few or told))


def _begins_with_asking(text: str) -> bool:
    """Whether words that point at a text are taken for its beginning: "it up? Our neighbours"."""
    first = form("first").split(fold(text[:_LONGEST_QUERY]), maxsplit=1)[0]
    return (
        first.split()[:1] != []
        and first.split()[0] in word_set("pointing_words") | word_set("any")
        and not unclaimed(first)
    )


def _no_subject(purchases: Sequence[Purchase]) -> list[Objection]:
    return [
        Objection(Reason.NO_SUBJECT, " ".join(one.text.split()[:8]))
        for one in purchases
        if one.kind == "search" and one.text is not None and is_no_subject(one.text)
    ]


def _left_over(heard: Heard, purchases: Sequence[Purchase]) -> list[str]:
    """The words beside set-apart material that nobody claims and nothing is bought for."""
    if heard.zones is not None:
        asked = fold(heard.zones.instruction)
    else:
        asked = heard.source.plain.replace(QUOTE, " ") if heard.source.quotes else ""
    bought = fold(" ".join(one.text for one in purchases if one.text is not None))
    return [word for word in unclaimed(asked) if word not in bought]


def told(found: Sequence[Objection]) -> str:
    """The objections in sentences for the person; nothing was bought."""
    sentences = [_SENTENCES[one.reason].format(about=one.about) for one in found]
    return " ".join([*dict.fromkeys(sentences), "Nobody was called and nothing is charged."])


_SENTENCES = {
    Reason.NOTHING_GIVEN: "“{about}” only points at a text, and there is none yet: paste it, for"
    " example in quotation marks.",
    Reason.NO_SUBJECT: "I am not sure what “{about}” is about: name what to search for, or say what"
    " to do with a text.",
    Reason.LEFT_OVER: "I did not understand all of that (“{about}”): please say it in other words.",
    Reason.FORBIDDEN: "You asked not to {about}.",
    Reason.OVER_CAP: "This would cost about {about}.",
    Reason.ABOUT_US: "That is a question about your account, which costs nothing.",
}
