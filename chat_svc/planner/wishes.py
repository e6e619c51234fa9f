"""Reads a message into wishes: who is asked for what, about which text."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, zip_longest

from chat_svc.planner.clauses import TAIL, Clause, FindMention, begin, split
from chat_svc.planner.forms import QUOTE, form, has
from chat_svc.planner.hearing import Heard
from chat_svc.planner.languages import written_in
from chat_svc.planner.objects import read_argument
from chat_svc.planner.options import find_options
from chat_svc.planner.source import Source, read_source
from chat_svc.planner.spotting import spot
from chat_svc.planner.vocabulary import KINDS, says
from chat_svc.planner.wish import AT_END, SEARCH, SUMMARIZE, TRANSLATE, Argument, Item, Style, Wish
from chat_svc.planner.zones import Zones, asks, is_prose, read_zones

_NEAR_END = 100
_MOST_ITEMS = 12
_SHORT = 300


def read_wishes(heard: Heard, find: FindMention, *, talked: bool) -> list[Wish]:
    """The wishes in a message, in the order in which they were said.

    `talked`: "translate it" may mean the result of the message before, so a sentence
    before it on the same line is not its text.
    """
    source, zones = heard.source, heard.zones
    if parts := _parts(heard, find):
        return [wish for part in parts for wish in read_wishes(part, find, talked=True)]
    found = _on_what_was_told(source)
    if zones is not None and _is_zoned(zones, source, find, talked=talked):
        said = read_source(zones.instruction)
        found = list(_read(said, spot(said.plain), find, zones.material))
    if not found or any(wish.lacks_target for wish in found):
        found = list(_read(source, split(source.plain, 0, len(source.plain), find), find))
    # "Summarize what you find, and give me the summary": it is there already.
    return [
        wish
        for before, wish in zip([None, *found], found, strict=False)
        if not (before and wish.family is before.family is SUMMARIZE and wish.lacks_text)
    ]


def _parts(heard: Heard, find: FindMention) -> list[Heard]:
    """The lines of a list of requests, or a text and the "Also search for ..." after it."""
    source, zones = heard.source, heard.zones
    plain = source.plain
    marks = list(islice(form("list_mark").finditer(plain), _MOST_ITEMS))
    if zones and marks and is_prose(zones.material) and marks[-1].start() < zones.start:
        return []
    places = [
        (mark.end(), after.start() if after else len(plain))
        for mark, after in zip_longest(marks, marks[1:])
    ]
    if len(marks) <= 1 or plain[: marks[0].start()].strip():
        also = _also(plain, zones, find) if zones else None
        places = [(0, also), (also, len(plain))] if also else []
    elif not all(
        clause.family.known or clause.mention
        for clause in (begin(plain, start, find) for start, _ in places)
    ):
        return []
    inner = [read_source(source.original(*place)) for place in places]
    return [replace(heard, text=one.raw, source=one, zones=read_zones(one)) for one in inner]


def _also(plain: str, zones: Zones, find: FindMention) -> int | None:
    """Where a last sentence of a text is a wish after all: "Also search for ..."."""
    for stop in form("sentence_end").finditer(plain, max(zones.start, zones.end - TAIL), zones.end):
        also = form("at_end_also").match(plain, stop.end())
        if also is None or has("sentence_end", plain, also.end(), len(plain.rstrip())):
            continue
        clause = begin(plain, also.start(), find)
        if clause.asks:
            return also.start()
    return None


def _is_zoned(zones: Zones, source: Source, find: FindMention, *, talked: bool) -> bool:
    """Whether what is between the instructions is material and no wish of its own."""
    plain = source.plain
    head = plain[: zones.start].rstrip()
    if head.endswith(":") or is_prose(zones.material):
        return True
    if plain[zones.start : zones.end].strip(" \n.") == QUOTE:
        first = begin(plain, 0, find)
        verb = plain[first.start : first.verb_end]
        known = not first.weak and any(says(kind, verb) for kind in KINDS)
        return head.endswith((".", "?", "!")) or not (first.mention or known)
    if talked and "\n" not in plain[zones.end - 1 : zones.end + 1]:
        return False
    return not begin(plain, zones.start, find).family.known


def _addressed_at_end(source: Source, clause: Clause, find: FindMention) -> Clause:
    """Takes "using the Translator" off the end of a clause."""
    text = source.plain[: clause.end].rstrip(AT_END)
    for using in form("using").finditer(text, max(clause.start, len(text) - _NEAR_END)):
        mention = find(text, using.start())
        if mention and mention.agent_ids and mention.end >= len(text):
            return replace(clause, end=using.start(), mention=mention)
    return clause


def _read(
    source: Source, clauses: Sequence[Clause], find: FindMention, material: str | None = None
) -> Iterator[Wish]:
    wishes: list[Wish] = []
    for one in clauses:
        clause = _addressed_at_end(source, one, find)
        quotes = source.quotes_in(clause.start, clause.end)
        wishes.append(
            Wish(
                request=source.original(clause.start, clause.end).strip(" \t\n,;"),
                family=clause.family,
                argument=read_argument(source, clause, apart=material is not None),
                mention=clause.mention,
                weak=clause.weak,
                data=quotes[0] if not clause.family.known and len(quotes) == 1 else None,
                elliptic=clause.elliptic,
            )
        )
    if wishes and material is not None:
        wishes = _with_material(_borrowed(wishes), source.raw, material)
    language = written_in(next((text for wish in wishes for text in wish.texts), ""))
    for wish in _share_object(wishes):
        yield from _spell_out(wish, language)


def _with_material(wishes: list[Wish], said: str, material: str) -> list[Wish]:
    """Gives the text to the first wish."""
    wish, *others = wishes
    items = tuple(replace(item, text=material) for item in wish.argument.items)
    argument = replace(wish.argument, items=items, points_at="")
    return [replace(wish, request=f"{said}: {material}", argument=argument), *others]


def _borrowed(wishes: list[Wish]) -> list[Wish]:
    """Gives a translation without a language the one that was named for another kind of work."""
    spare = next((wish for wish in wishes if wish.argument.then_to), None)
    lacking = next((wish for wish in wishes if wish.lacks_target), None)
    if spare is None or lacking is None:
        return wishes
    items = tuple(Item(None, tag) for tag in spare.argument.then_to)
    given = replace(lacking, argument=replace(lacking.argument, items=items))
    left = replace(spare, argument=replace(spare.argument, then_to=()))
    return [given if wish is lacking else left if wish is spare else wish for wish in wishes]


def _on_what_was_told(source: Source) -> list[Wish]:
    """A search for what is told before it: "I am writing an essay about X, find me sources"."""
    short = len(source.plain) <= _SHORT and not asks(source.plain)
    told = form("told_subject").fullmatch(source.plain) if short else None
    if told is None:
        return []
    count = find_options(told["asked"], SEARCH)
    subject = Item(source.original(*told.span("subject")))
    return [Wish(source.raw, SEARCH, Argument((subject,), options=count.options if count else {}))]


def _share_object(wishes: list[Wish]) -> list[Wish]:
    """Gives the first verb of "search and summarize X" the object, the others its result."""
    if len(wishes) <= 1 or not wishes[0].lacks_text:
        return wishes
    first, second, *others = wishes
    finds = second.family.style is Style.QUERY and not second.lacks_text
    if finds and first.family.style is Style.TEXT and not first.argument.points_at:
        # "Summarize and search for X": nothing can be summarized before it is found.
        return [second, replace(first, argument=replace(first.argument, points_at="it")), *others]
    given = second.texts
    if first.argument.points_at or not given or not second.family.known:
        return wishes
    goes_to = next((item.target for item in first.argument.items), None)
    taken = replace(first.argument, items=tuple(Item(t, goes_to) for t in dict.fromkeys(given)))
    tags = dict.fromkeys(item.target for item in second.argument.items)
    left = replace(second.argument, items=tuple(Item(None, tag) for tag in tags), points_at="it")
    return [replace(first, argument=taken), replace(second, argument=left), *others]


def _spell_out(wish: Wish, language: str | None) -> Iterator[Wish]:
    """Makes the searches and translations that a wish implies wishes of their own.

    Nothing is translated into the language that the text is written in.
    """
    argument = wish.argument
    if language in argument.then_to:
        others = tuple(tag for tag in argument.then_to if tag != language)
        argument = replace(argument, then_to=others, points_at="original")
    only = argument.items[0].text if len(argument.items) == 1 else None
    several = wish.family is SEARCH and not wish.weak and only and len(only) <= _NEAR_END
    if several and only and has("also_for", only):
        for part in form("also_for").split(only):
            yield replace(wish, argument=replace(argument, items=(Item(part),)))
        return
    if argument.look_up is not None:
        search = Argument(items=(Item(argument.look_up),))
        yield Wish(argument.look_up, SEARCH, search)
        argument = replace(argument, points_at="it", look_up=None)
    yield replace(wish, argument=argument)
    if argument.then_to:
        onwards = Argument(tuple(Item(None, tag) for tag in argument.then_to), points_at="it")
        yield Wish(wish.request, TRANSLATE, onwards)
