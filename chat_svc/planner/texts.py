"""Reads the object of verbs that work on a text: which text, and into which languages."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chat_svc.planner.forms import QUOTE, form
from chat_svc.planner.languages import Target, find_source, find_targets, language_in
from chat_svc.planner.source import Source
from chat_svc.planner.spotting import wishes_of
from chat_svc.planner.vocabulary import says, unclaimed
from chat_svc.planner.wish import (
    AT_END,
    EDGE,
    TRANSLATE,
    Argument,
    Family,
    Item,
    View,
    Wish,
    points,
)
from chat_svc.planner.zones import is_prose

_SHORT_PIECE = 80
_FEW_WORDS = 3


Tags = tuple[str, ...]


def _points(text: str) -> bool:
    """Whether words point at a text and are none themselves."""
    return points(text) and not (
        form("bare_word").fullmatch(text) or form("named_word").fullmatch(text)
    )


def _targets_at_edges(text: str, *, romance: bool) -> list[Target]:
    if len(text) <= 2 * EDGE:
        return find_targets(text, romance=romance)
    shift = len(text) - EDGE
    late = find_targets(text[shift:], romance=romance)
    moved = [replace(t, start=t.start + shift, end=t.end + shift) for t in late]
    return find_targets(text[:EDGE], romance=romance) + moved


def _all_tags(targets: list[Target]) -> Tags:
    return tuple(dict.fromkeys(tag for target in targets for tag in target.tags))


def _is_quoted(rest: str, targets: list[Target]) -> bool:
    """Whether the quotations are the texts, not parts of one; `rest` has no targets in it."""
    if QUOTE not in rest:
        return False
    first, last = rest.index(QUOTE), rest.rindex(QUOTE) + 1
    last = max([last, *(target.end for target in targets)])
    after = rest[last:]
    return (
        (points(rest[:first]) or form("introduces_quote").fullmatch(rest[:first]) is not None)
        and points(rest[first:last].replace(QUOTE, " "))
        and (bool(targets) or points(after) or len(after.split()) <= _FEW_WORDS)
    )


def _pair_quotes(view: View, targets: list[Target], spoken: Tags) -> list[Item]:
    """Gives each quotation its languages: those after it, or before it if they come first."""
    places = [match.start() for match in re.finditer(QUOTE, view.text)]
    language_first = bool(targets) and targets[0].start < places[0]
    paired: list[Item] = []
    for text, place in zip(view.quotes(), places, strict=True):
        before = [target for target in targets if target.start < place]
        after = [target for target in targets if target.start > place]
        next_ = min((other for other in places if after and other > after[0].start), default=None)
        mine = [target for target in after if next_ is None or target.start < next_]
        mine = before[-1:] if language_first else mine or targets[-1:]
        paired += [Item(text, tag) for tag in _all_tags(mine) or spoken or (None,)]
    return paired


def _without_introduction(view: View, start: int, end: int) -> str:
    introduced = form("introduced_as").match(view.text, start, end)
    text = view.raw(introduced.end() if introduced else start, end)
    return _unwrapped(text)


def _unwrapped(text: str) -> str:
    wrapped = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if wrapped else text


def _pieces(view: View, targets: list[Target]) -> list[tuple[int, int, Tags]]:
    """Cuts "cat to French and dog to Spanish" into texts with their languages."""
    pieces: list[tuple[int, int, Tags]] = []
    start = 0
    for target in targets[:-1]:
        joint = form("texts_joint").match(view.text, target.end)
        if joint and 0 < len(view.text[start : target.start].strip()) <= _SHORT_PIECE:
            pieces.append((start, target.start, target.tags))
            start = joint.end()
    return [*pieces, (start, targets[-1].start, targets[-1].tags)]


def _pair_plain(view: View, targets: list[Target], spoken: Tags) -> list[Item]:
    """Finds text and languages in words without quotation marks."""
    content = len(view.text.rstrip(AT_END))
    beginning = len(view.text) - len(view.text.lstrip())
    pieces: list[tuple[int, int, Tags]]
    if targets and targets[-1].end >= content:
        pieces = _pieces(view, targets)
    elif targets and targets[0].start == beginning:
        pieces = [(targets[0].end, len(view.text), targets[0].tags)]
    elif targets and form("after_target").match(view.text, targets[-1].end):
        pieces = [(0, targets[-1].start, targets[-1].tags)]
    else:
        pieces = [(0, len(view.text), spoken)]
    items: list[Item] = []
    for start, end, tags in pieces:
        piece = view.text[start:end]
        pointing = _points(piece)
        text = None if pointing else _without_introduction(view, start, end)
        items += [Item(text, tag) for tag in tags or (None,)]
    return items


def _look_up(view: View, targets: list[Target]) -> str | None:
    """The subject of "what you find about X" and "the latest news on X"."""
    found = form("found_subject").match(view.text) or form("found_phrase").match(view.text)
    if found is None:
        return None
    end = len(view.text.rstrip(AT_END))
    if targets and targets[-1].end >= end:
        end = targets[-1].start
    return _unwrapped(view.raw(found.end(), end).rstrip(AT_END)) or None


def read_text(
    view: View, verb: str, family: Family, options: dict[str, Any], *, has_data: bool
) -> Argument:
    """The object of a verb that works on a text."""
    if family.targeted and (origin := find_source(view.text[: 2 * EDGE])):
        options = {**options, "source_language": origin.tags[0]}
        view = view.without(origin.start, origin.end)
    targets = _targets_at_edges(view.text, romance=verb.startswith("trad"))
    rest = view
    for target in targets:
        rest = rest.without(target.start, target.end)
    inside = language_in(verb)
    spoken = (inside,) if inside else ()
    tags = spoken + _all_tags(targets)
    pointing = has_data or _points(rest.text)
    subject = None if has_data else _look_up(view, targets)
    quoted = subject is None and not pointing and _is_quoted(rest.text, targets)
    argument = Argument(options=options)
    if subject is not None or pointing:
        argument = replace(argument, look_up=subject, points_at=rest.text.strip()[:EDGE])
        if not family.targeted:
            return replace(argument, then_to=tags)
        return replace(argument, items=tuple(Item(None, tag) for tag in tags) or (Item(),))
    if not family.targeted:
        texts = view.quotes() if quoted else (_without_introduction(view, 0, len(view.text)),)
        then_to = tags if quoted else spoken
        return replace(argument, items=tuple(map(Item, texts)), then_to=then_to)
    items = (_pair_quotes if quoted else _pair_plain)(view, targets, spoken)
    missing = None
    if items[0].target is None:
        missing = form("unknown_language").search(view.text, max(0, len(view.text) - 60))
    return replace(argument, items=tuple(items), unknown_language=missing[1] if missing else None)


_MOST_AROUND = 100


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
    if any(wish.lacks_target for wish in wishes):
        return []
    translates = len(wishes) == 1 and wishes[0].family is TRANSLATE
    return wishes if translates or is_prose(source.quotes[0]) else []


def _holds_more(source: Source, wish: Wish) -> bool:
    """Whether the text of a wish is the quotation and more, though no verb asks for that."""
    if says("translate", source.plain):
        return False
    return any(source.quotes[0] in text and text != source.quotes[0] for text in wish.texts)
