"""One wish across turns: what an open question lacks, and what the next message fills in.

An open question is a turn that came to nothing because a slot of its wish was empty: the text or
the language. It needs no store of its own, since the turns before are known: reading them again
gives the same wish.
"""

from collections.abc import Sequence
from dataclasses import replace

from chat_svc.planner.conversation import PLACES
from chat_svc.planner.families import SUMMARIZE, Style
from chat_svc.planner.forms import form
from chat_svc.planner.hearing import Heard
from chat_svc.planner.options import find_options
from chat_svc.planner.spotting import cues, languages_only
from chat_svc.planner.views import Argument, Item
from chat_svc.planner.vocabulary import unclaimed
from chat_svc.planner.wish import Wish
from chat_svc.planner.zones import asks

_LONGEST = 100


def corrected(heard: Heard) -> tuple[str, ...]:
    """The languages of "no, I meant Spanish"; none when it is no such correction."""
    plain = heard.source.plain
    lead = form("corrects").match(plain)
    if lead is None or len(plain) > _LONGEST:
        return ()
    return languages_only(form("frame_more").sub(" ", plain[lead.end() :]))


def form_only(heard: Heard) -> dict[str, int] | None:
    """The form that a message asks for and nothing else: "now as 3 bullet points"."""
    plain = heard.source.plain
    option = find_options(plain, SUMMARIZE) if len(plain) <= _LONGEST else None
    if option is None or heard.source.quotes:
        return None
    rest = f"{plain[: option.start]} {plain[option.end :]}"
    if cues(rest) or unclaimed(rest, most=1):
        return None
    return option.options


def reshaped(options: dict[str, int]) -> Wish:
    """A wish for a summary in another form, of what the last summary was made from."""
    return Wish("", SUMMARIZE, Argument(points_at="it", options=dict(options)), elliptic=True)


def place_only(heard: Heard) -> set[str] | None:
    """The words of a message that only points at one of several results: "the second one"."""
    plain = heard.source.plain.strip(" .!?")
    words = set(plain.split())
    if len(plain) > _LONGEST or not words & PLACES or asks(plain) or unclaimed(plain, most=1):
        return None
    return words


def lacks_language(wishes: Sequence[Wish]) -> bool:
    """Whether a wish was for a translation into no language."""
    return any(
        wish.family is not None
        and wish.family.targeted
        and any(item.target is None for item in wish.argument.items)
        for wish in wishes
    )


def lacks_text(wishes: Sequence[Wish]) -> bool:
    """Whether the first wish is for work on a text or a subject that was not given."""
    if not wishes or wishes[0].family is None or wishes[0].family.style is Style.REQUEST:
        return False
    argument = wishes[0].argument
    return argument.look_up is None and not any(item.text for item in argument.items)


def with_languages(wishes: Sequence[Wish], tags: Sequence[str]) -> list[Wish]:
    """The wishes, translations going to the languages that were lacking."""

    def filled(wish: Wish) -> Wish:
        items = wish.argument.items
        if wish.family is None or not wish.family.targeted or items[0].target is not None:
            return wish
        given = tuple(Item(item.text, tag) for item in items for tag in tags)
        return replace(wish, argument=replace(wish.argument, items=given, unknown_language=None))

    return list(map(filled, wishes))


def with_text(wishes: Sequence[Wish], text: str) -> list[Wish]:
    """The wishes, the first one with the text that it lacked."""
    first, *rest = wishes
    items = tuple(replace(item, text=text) for item in first.argument.items)
    argument = replace(first.argument, items=items, points_at="")
    request = f"{first.request}: {text}"
    return [replace(first, request=request, argument=argument, elliptic=False), *rest]


def material_of(heard: Heard) -> str:
    """What a message gives when it answers "which text?"."""
    quotes = heard.source.quotes
    if len(quotes) == 1 and not cues(heard.source.plain):
        return quotes[0]
    return heard.zones.material if heard.pasted and heard.zones else heard.text.strip()
