"""Reads a message into wishes: who is asked for what, about which text."""

from collections.abc import Iterator
from dataclasses import replace

from chat_svc.planner.arguments import read_argument
from chat_svc.planner.clauses import Clause, FindMention, begin
from chat_svc.planner.forms import QUOTE, fold, form
from chat_svc.planner.hearing import Heard
from chat_svc.planner.languages import find_targets
from chat_svc.planner.layout import Layout, list_items, read_layout, split_off_also
from chat_svc.planner.source import Source
from chat_svc.planner.spotting import wishes_of
from chat_svc.planner.texts import quoted
from chat_svc.planner.wish import AT_END, SEARCH, SUMMARIZE, TRANSLATE, Argument, Item, Style, Wish
from chat_svc.planner.zones import Zones, asks, is_prose

_DATA_EDGE = 100


def read_wishes(heard: Heard, find: FindMention, *, talked: bool) -> list[Wish]:
    """The wishes in a message, in the order in which they were said.

    `talked`: "translate it" may mean the result of the message before, so a sentence
    before it on the same line is not its text.
    """
    source, zones = heard.source, heard.zones
    if zones is not None and _is_zoned(zones, source, find, talked=talked):
        found = wishes_of(zones.instruction, zones.material, question=_is_question(zones))
        if found and not any(wish.lacks_target for wish in found):
            return [wish for one in found for wish in _spell_out(one)]
    layouts = read_layout(source.plain, 0, len(source.plain), find, talked=talked)
    found = [wish for layout in layouts for wish in _read(source, layout, find)]
    if of_quotation := quoted(source, found):
        return of_quotation
    # "Summarize what you find, and give me the summary": it is there already.
    return [
        wish
        for before, wish in zip([None, *found], found, strict=False)
        if not (before and wish.family is before.family is SUMMARIZE and wish.lacks_text)
    ]


def _is_question(zones: Zones) -> bool:
    """Whether the material is something asked of the world: "what is jazz? answer in French"."""
    return zones.material.rstrip().endswith("?") and not (
        zones.announced or is_prose(zones.material)
    )


def _is_zoned(zones: Zones, source: Source, find: FindMention, *, talked: bool) -> bool:
    """Whether what is between the instructions is material and no wish of its own."""
    plain = source.plain
    if not asks(fold(zones.instruction)) or split_off_also(plain, zones.start, zones.end, find):
        return False
    if form("list_mark").search(plain, zones.start) and list_items(plain, 0, len(plain), find):
        return False
    if zones.announced and plain[: zones.start].rstrip().endswith((":", QUOTE)):
        return True
    if is_prose(zones.material):
        return True
    if talked and "\n" not in plain[zones.end - 1 : zones.end + 1]:
        return False
    inside = begin(plain, zones.start, find)
    return inside.mention is None and (inside.family is None or inside.weak)


def _addressed_at_end(source: Source, clause: Clause, find: FindMention) -> Clause:
    """Takes "using the Translator" off the end of a clause."""
    text = source.plain[: clause.end].rstrip(AT_END)
    for using in form("using").finditer(text, max(clause.start, len(text) - _DATA_EDGE)):
        mention = find(text, using.start())
        if mention and mention.agent_ids and mention.end >= len(text):
            return replace(clause, end=using.start(), mention=mention)
    return clause


def _data(source: Source, layout: Layout) -> str | None:
    if layout.data is None:
        return None
    start, end = layout.data
    only_quote = source.plain[start:end].strip(AT_END) == QUOTE
    return source.quotes_in(start, end)[0] if only_quote else source.original(start, end).strip()


def _read(source: Source, layout: Layout, find: FindMention) -> Iterator[Wish]:
    data = _data(source, layout)
    wishes: list[Wish] = []
    for clause in layout.clauses:
        has_data = data is not None and clause is layout.clauses[-1]
        addressed = _addressed_at_end(source, clause, find)
        quotes = source.quotes_in(addressed.start, addressed.end)
        wishes.append(
            Wish(
                request=source.original(addressed.start, addressed.end).strip(" \t\n,;"),
                family=addressed.family,
                argument=read_argument(source, addressed, has_data=has_data),
                mention=addressed.mention,
                weak=addressed.weak,
                data=quotes[0] if addressed.family is None and len(quotes) == 1 else None,
                elliptic=addressed.elliptic,
            )
        )
    wishes = _share_object(wishes)
    if data is not None:
        _give_data(source, layout, wishes, data)
    for wish in wishes:
        yield from _spell_out(wish)


def _share_object(wishes: list[Wish]) -> list[Wish]:
    """Gives the first verb of "search and summarize X" the object, the others its result."""
    if len(wishes) <= 1 or wishes[0].family is None or not wishes[0].lacks_text:
        return wishes
    first, second = wishes[0], wishes[1]
    finds = second.style is Style.QUERY and not second.lacks_text
    if finds and first.style is Style.TEXT and not first.argument.points_at:
        # "Summarize and search for X": nothing can be summarized before it is found.
        return [
            second,
            replace(first, argument=replace(first.argument, points_at="it")),
            *wishes[2:],
        ]
    given = second.texts
    if first.argument.points_at or not given or second.family is None:
        return wishes
    goes_to = first.argument.items[0].target
    taken = replace(first.argument, items=tuple(Item(t, goes_to) for t in dict.fromkeys(given)))
    tags = dict.fromkeys(item.target for item in second.argument.items)
    left = replace(second.argument, items=tuple(Item(None, tag) for tag in tags), points_at="it")
    return [replace(first, argument=taken), replace(second, argument=left), *wishes[2:]]


def _give_data(source: Source, layout: Layout, wishes: list[Wish], data: str) -> None:
    """Gives the text to the first wish that has none."""
    lacking = [index for index, wish in enumerate(wishes) if wish.lacks_text]
    known = [index for index in lacking if wishes[index].family is not None]
    index = next(iter(known or lacking), len(wishes) - 1)
    wish = wishes[index] = replace(
        wishes[index], request=f"{wishes[index].request}: {data}", data=data
    )
    if wish.style is Style.REQUEST:
        return
    items = wish.argument.items
    if wish.targeted and items[0].target is None:
        data, tags = _target_in_data(source, layout, data)
        items = tuple(Item(None, tag) for tag in tags) or items
    items = tuple(replace(item, text=data) for item in items)
    wishes[index] = replace(wish, argument=replace(wish.argument, items=items))


def _target_in_data(source: Source, layout: Layout, data: str) -> tuple[str, tuple[str, ...]]:
    """Reads "Translate: hello to French", where the language ends the text."""
    start, end = layout.data or (0, 0)
    edge = max(start, end - _DATA_EDGE)
    text = source.plain[edge:end].rstrip(f"{AT_END})")
    last = find_targets(text)[-1:]
    if not last or last[0].end < len(text):
        return data, ()
    return source.original(start, edge + last[0].start).strip(" \t\n,("), last[0].tags


def _spell_out(wish: Wish) -> Iterator[Wish]:
    """Makes the searches and translations that a wish implies wishes of their own."""
    argument = wish.argument
    only = argument.items[0].text if len(argument.items) == 1 else None
    several = wish.family is SEARCH and not wish.weak and only and len(only) <= _DATA_EDGE
    if several and only and len(parts := form("also_for").split(only)) > 1:
        for part in parts:
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
