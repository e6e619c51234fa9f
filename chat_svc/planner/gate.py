"""The gate before every purchase: why an agent is not to be paid for a wish, as values.

It is asked by both orchestrators' moves before an order leaves. It knows the words of the person
and what is to be bought for them, and nothing else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from chat_svc.planner import doubts
from chat_svc.planner.account import Topic, about_us
from chat_svc.planner.forms import QUOTE, fold, form, has
from chat_svc.planner.hearing import Heard, hear
from chat_svc.planner.model import money
from chat_svc.planner.vocabulary import says, unclaimed
from chat_svc.planner.zones import is_prose

_MOST_STRANGERS = 2
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
    said: str | Heard,
    purchases: Sequence[Purchase],
    *,
    whole: bool = True,
    worked_on: Sequence[str] = (),
) -> tuple[Objection, ...]:
    """All that speaks against buying these for what a person said; none when they may be bought.

    Args:
        said: the message, as typed or as heard.
        purchases: everything that it is to cost, what was bought for it before included.
        whole: whether words that nobody claims count; a model may have understood them.
        worked_on: texts of earlier turns, which a question may be about.
    """
    heard = hear(said) if isinstance(said, str) else said
    found = [one for bought in purchases for one in _against(heard, bought, worked_on, whole=whole)]
    cap = heard.terms.cap
    total = sum((one.price for one in purchases), Decimal(0))
    if cap is not None and total > cap:
        found.append(Objection(Reason.OVER_CAP, f"{money(total)}, more than {money(cap)}"))
    topic = None if heard.zones else about_us(heard.source.plain.strip())
    if purchases and topic not in (None, Topic.AGENTS):
        found.append(Objection(Reason.ABOUT_US, heard.text))
    if purchases and whole and (strangers := _left_over(heard, purchases)):
        found.append(Objection(Reason.LEFT_OVER, strangers))
    return tuple(dict.fromkeys(found))


def _against(
    heard: Heard, one: Purchase, worked_on: Sequence[str], *, whole: bool
) -> Iterator[Objection]:
    """What speaks against one purchase, whatever else is bought."""
    terms, text = heard.terms, one.text
    about = " ".join((text or "").split()[:8])
    if one.kind in terms.forbidden or terms.nothing or (whole and doubts.refused(heard, one.kind)):
        yield Objection(Reason.FORBIDDEN, one.kind)
    if text is None:
        return
    typed = text in heard.text
    if typed and one.kind in _ON_A_TEXT and (reason := _thin(heard, one.kind, text)):
        yield Objection(reason, about)
    if whole and one.kind == "search" and not heard.source.quotes:
        at_hand = doubts.is_beside(text, heard.text) or doubts.is_told(text, worked_on)
        if at_hand or doubts.is_no_subject(text):
            yield Objection(Reason.NO_SUBJECT, about)
        if typed and has("loose", fold(text[: doubts.LONGEST_QUERY])):
            yield Objection(Reason.LEFT_OVER, about)


def cap_of(said: str) -> Decimal | None:
    """BazaarBucks that a message may cost by its own words; None when it names no limit."""
    return hear(said).terms.cap


def _thin(heard: Heard, kind: str, text: str) -> Reason | None:
    """Why a text is none to work on, or holds words that asked for it."""
    zones = heard.zones
    announced = zones.announced if zones else bool(heard.source.quotes)
    if kind != "search":
        set_apart = announced and (zones is None or text in zones.material)
        asking = not set_apart and form("holds_asking").match(text)
        if asking or has("language_label", fold(text[-doubts.LONGEST_QUERY :])):
            return Reason.LEFT_OVER
    if announced or (zones is not None and is_prose(fold(zones.material))):
        few = kind == "summarize" and len(text.split()) == 1
        return Reason.NOTHING_GIVEN if few or doubts.is_link(text) else None
    return Reason.NOTHING_GIVEN if doubts.only_points(text) or _is_elsewhere(kind, text) else None


def _is_elsewhere(kind: str, text: str) -> bool:
    """Whether words that nothing sets apart only name a text, or are too few for a summary."""
    if kind == "search":
        return False
    if doubts.is_link(text):
        return True
    few = text[0].islower() and len(text.split()) < _LEAST_SUMMARIZED
    folded = fold(text[: doubts.LONGEST_QUERY])
    told = says("holders", folded) and not unclaimed(folded, most=1)
    return doubts.names_one(text) or (kind == "summarize" and (few or told))


def _left_over(heard: Heard, purchases: Sequence[Purchase]) -> str:
    """What nobody claims beside the material and nothing is bought for; empty when it may be."""
    texts = [one.text for one in purchases if one.text is not None]
    given = [one.text for one in purchases if one.text and one.kind in _ON_A_TEXT]
    if left := doubts.half_followed(heard, given):
        return left
    asked = heard.source.plain.replace(QUOTE, " ") if heard.source.quotes else ""
    asked = fold(heard.zones.instruction) if heard.zones is not None else asked
    bought = fold(" ".join(texts))
    strangers = [word for word in unclaimed(asked) if word not in bought]
    return " ".join(strangers[:8]) if len(strangers) > _MOST_STRANGERS else ""


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
