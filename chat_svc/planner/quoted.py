"""What is wanted of a quotation, when the words around it only name it or ask for it."""

from collections.abc import Sequence
from dataclasses import replace

from chat_svc.planner.families import TRANSLATE, Style
from chat_svc.planner.folding import QUOTE, fold
from chat_svc.planner.forms import form
from chat_svc.planner.given import names_one
from chat_svc.planner.source import Source
from chat_svc.planner.spotting import wishes_of
from chat_svc.planner.vocabulary import says, unclaimed
from chat_svc.planner.wish import Wish
from chat_svc.planner.zones import is_prose

_MOST_AROUND = 100
_LONGEST = 400


def lacks_target(wish: Wish) -> bool:
    """Whether a wish goes to a language, and names none."""
    targeted = wish.family is not None and wish.family.targeted
    return targeted and any(item.target is None for item in wish.argument.items)


def of_quote(source: Source, wish: Wish) -> Wish:
    """The wish on the only quotation, where its words just name a text: "my note? 'hello'"."""
    items = wish.argument.items
    named = [
        one for one in items if one.text and names_one(one.text) and QUOTE not in fold(one.text)
    ]
    ends = [one for one in items if one.text and form("colon_quote").search(one.text[:_LONGEST])]
    if len(source.quotes) != 1 or max(len(named), len(ends)) != len(items) or not items:
        return wish
    if wish.family is None or wish.family.style is not Style.TEXT:
        return wish
    given = tuple(replace(one, text=source.quotes[0]) for one in items)
    return replace(wish, argument=replace(wish.argument, items=given))


def quoted(source: Source, found: Sequence[Wish]) -> list[Wish]:
    """What is wanted of a quotation, when the words around it are nothing but the asking.

    It is for whatever words the verbs do not know: "what is 'umbrella' called in Spanish?".
    """
    around = source.plain.replace(QUOTE, " ")
    if len(source.quotes) != 1 or len(around) > _MOST_AROUND or len(unclaimed(around)) > 1:
        return []
    understood = all(
        wish.mention is not None
        or (wish.family is not None and not wish.weak and not _holds_more(source, wish))
        for wish in found
    )
    wishes = [] if understood else wishes_of(around, source.quotes[0], question=False)
    if any(map(lacks_target, wishes)):
        return []
    translates = len(wishes) == 1 and wishes[0].family is TRANSLATE
    return wishes if translates or is_prose(source.quotes[0]) else []


def _holds_more(source: Source, wish: Wish) -> bool:
    """Whether the text of a wish is the quotation and more, though no verb asks for that."""
    if says("translate", source.plain):
        return False
    texts = [item.text for item in wish.argument.items if item.text]
    return any(source.quotes[0] in text and text != source.quotes[0] for text in texts)
