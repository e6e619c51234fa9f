"""Reads what a verb is about: a subject, texts and where they go, or words that point at one."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from chat_svc.planner.clauses import Clause
from chat_svc.planner.forms import QUOTE, form, has
from chat_svc.planner.languages import (
    Target,
    bare_languages,
    find_source,
    find_targets,
    language_in,
    tags_of,
)
from chat_svc.planner.options import find_options
from chat_svc.planner.source import Source
from chat_svc.planner.wish import (
    AT_END,
    EDGE,
    POINTING_LENGTH,
    Argument,
    Item,
    Style,
    View,
    points,
)

Place = tuple[int, int]


def read_argument(source: Source, clause: Clause, *, apart: bool) -> Argument:
    """Reads the object of `clause`; `apart` when its text is elsewhere."""
    style = clause.family.style
    if style is Style.REQUEST:
        return Argument()
    start = clause.begins if apart else clause.verb_end
    view = View(source, start, source.plain[start : clause.end])
    view = view.without_match(form("courtesy"), 80)
    anywhere = apart or style is Style.QUERY
    options, view = _take_options(view, clause, anywhere=anywhere)
    if style is Style.QUERY and not apart:
        if clause.verb_end > clause.start:
            view = view.without_match(form("for_whom"), 40)
        return _subject(view, options, told=clause.weak)
    return _texts(view, clause, options, apart=apart)


def _take_options(view: View, clause: Clause, *, anywhere: bool) -> tuple[dict[str, Any], View]:
    """The numbers in the words up to the verb and in the view; and the view without them.

    In a text that is not set apart they count at its very beginning or end only.
    """
    said = find_options(view.source.plain[clause.begins : clause.verb_end], clause.family)
    options = dict(said.options) if said else {}
    for shift in dict.fromkeys((0, max(0, len(view.text) - EDGE))):
        found = find_options(view.text[shift : shift + EDGE], clause.family)
        if found is None:
            continue
        start, end = shift + found.start, shift + found.end
        around = (view.text[:start].strip(AT_END), view.text[end:].strip(AT_END))
        if anywhere or not all(around):
            return {**options, **found.options}, view.without(start, end)
    return options, view


def _subject(view: View, options: dict[str, Any], *, told: bool) -> Argument:
    """The object of a search; `told`: it may name the language to answer in."""
    last = find_targets(view.text)[-1:] if told else []
    if last and not view.text[last[0].end :].strip(AT_END):
        before = view.text[: last[0].start]
        if not has("done", before[-EDGE:]):
            subject = _subject(view.without(last[0].start, len(view.text)), options, told=False)
            return replace(subject, then_to=last[0].tags)
    view = view.without_match(form("online"), 40)
    text = view.text
    if len(text) <= POINTING_LENGTH and form("pointing_subject").fullmatch(text):
        return Argument(points_at=text.strip(), options=options)
    if points(text.replace(QUOTE, " ")):
        return Argument(items=tuple(map(Item, view.quotes())), options=options)
    small = form("small_before_subject").match(text)
    start = small.end() if small else 0
    end = text.find("\n", start)
    end = len(text.rstrip()) if end < 0 else end
    return Argument(items=(Item(view.raw(start, end).rstrip(AT_END)),), options=options)


def _texts(view: View, clause: Clause, options: dict[str, Any], *, apart: bool) -> Argument:
    """The object of a verb that works on texts."""
    targeted = clause.family.targeted
    if targeted and (origin := find_source(view.text[: 2 * EDGE])):
        options = {**options, "source_language": origin.tags[0]}
        view = view.without(origin.start, origin.end)
    verb = view.source.plain[clause.start : clause.verb_end]
    targets = _targets(view.text, romance="trad" in (view.text if apart else verb))
    rest = view
    for target in targets:
        rest = rest.without(target.start, target.end)
    inside = None if apart else language_in(verb)
    spoken = (inside,) if inside else ()
    if apart:
        targets = _of_the_same_sentence(view, clause, targets or _bare(view))
    tags = spoken + tags_of(targets)
    argument = Argument(options=options)
    found = None if apart else _found(view, targets)
    if found is not None or apart or _only_points(rest.text):
        argument = replace(argument, look_up=found, points_at=rest.text.strip()[:EDGE])
        if not targeted:
            return replace(argument, then_to=tags)
        argument = replace(argument, items=tuple(Item(None, tag) for tag in tags) or (Item(),))
    elif not targeted:
        quoted = _is_quoted(rest.text, targets)
        texts = view.quotes() if quoted else (_without_introduction(view, 0, len(view.text)),)
        return replace(argument, items=tuple(map(Item, texts)), then_to=tags if quoted else spoken)
    else:
        quoted = _is_quoted(rest.text, targets)
        argument = replace(argument, items=tuple(_items(view, targets, spoken, quoted=quoted)))
    missing = form("unknown_language").search(view.text, max(0, len(view.text) - 60))
    return replace(argument, unknown_language=missing[1] if missing else None)


def _bare(view: View) -> list[Target]:
    """Languages that are only named, in an instruction that says nowhere what to go to."""
    return [] if find_targets(view.source.plain) else bare_languages(view.text)


def _targets(text: str, *, romance: bool) -> list[Target]:
    """The languages to go to at either edge of a text."""
    if len(text) <= 2 * EDGE:
        return find_targets(text, romance=romance)
    shift = len(text) - EDGE
    late = find_targets(text[shift:], romance=romance)
    moved = [replace(t, start=t.start + shift, end=t.end + shift) for t in late]
    return find_targets(text[:EDGE], romance=romance) + moved


def _of_the_same_sentence(view: View, clause: Clause, targets: list[Target]) -> list[Target]:
    """Without those of a sentence before: "She wrote in German. Translate to English"."""
    verb = clause.start - view.base
    near = [t for t in targets if not has("object_stop", view.text, t.end, max(t.end, verb))]
    return near or targets


def _only_points(text: str) -> bool:
    named = form("bare_word").fullmatch(text) or form("named_word").fullmatch(text)
    return points(text) and not named


def _found(view: View, targets: Sequence[Target]) -> str | None:
    """The subject of "what you find about X" and "the latest news on X"."""
    found = form("found_subject").match(view.text) or form("found_phrase").match(view.text)
    if found is None:
        return None
    end = len(view.text.rstrip(AT_END))
    end = targets[-1].start if targets else end
    return _unwrapped(view.raw(found.end(), end).rstrip(AT_END)) or None


def _unwrapped(text: str) -> str:
    return text.strip("\"'")


def _without_introduction(view: View, start: int, end: int) -> str:
    introduced = form("introduced_as").match(view.text, start, end)
    return _unwrapped(view.raw(introduced.end() if introduced else start, end))


def _is_quoted(rest: str, targets: Sequence[Target]) -> bool:
    """Whether the quotations are the texts, not parts of one; `rest` has no targets in it."""
    if QUOTE not in rest:
        return False
    first = rest.index(QUOTE)
    last = max([rest.rindex(QUOTE) + 1, *(target.end for target in targets)])
    introduced = points(rest[:first]) or form("introduces_quote").fullmatch(rest[:first])
    return bool(introduced) and points(rest[first:last].replace(QUOTE, " "))


def _items(
    view: View, targets: list[Target], spoken: tuple[str, ...], *, quoted: bool
) -> Iterator[Item]:
    """Gives each text its languages: those after it, or before it if they come first."""
    if quoted:
        places = [match.span() for match in re.finditer(QUOTE, view.text)]
        texts: Sequence[str | None] = view.quotes()
    else:
        places, targets = _spans(view.text, targets)
        texts = [
            None if _only_points(view.text[start:end]) else _without_introduction(view, start, end)
            for start, end in places
        ]
    language_first = bool(targets) and targets[0].start < places[0][0]
    for text, (place, _) in zip(texts, places, strict=True):
        before = [target for target in targets if target.start < place]
        after = [target for target in targets if target.start >= place]
        next_ = min((at for at, _ in places if after and at > after[0].start), default=None)
        mine = [target for target in after if next_ is None or target.start < next_]
        mine = before[-1:] if language_first else mine
        yield from (Item(text, tag) for tag in tags_of(mine) or spoken or (None,))


def _spans(text: str, targets: list[Target]) -> tuple[list[Place], list[Target]]:
    """Where the texts without quotation marks are, and the languages beside them."""
    whole = (0, len(text))
    if not targets:
        return [whole], []
    first, last = targets[0], targets[-1]
    if last.end >= len(text.rstrip(f"{AT_END})")):
        places: list[Place] = []
        start = 0
        used = []
        for target in targets[:-1]:
            joint = form("texts_joint").match(text, target.end)
            if joint:
                places.append((start, target.start))
                used.append(target)
                start = joint.end()
        return [*places, (start, last.start)], [*used, last]
    if not text[: first.start].strip():
        return [(first.end, len(text))], [first]
    if form("after_target").match(text, last.end):
        return [(0, last.start)], [last]
    return [whole], []
