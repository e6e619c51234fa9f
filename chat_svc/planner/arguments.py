"""Reads what a clause's verb is about: a subject, a text, or a word that points at one."""

from dataclasses import replace
from typing import Any

from chat_svc.planner.clauses import Clause
from chat_svc.planner.forms import QUOTE, form, has
from chat_svc.planner.languages import Target, find_targets
from chat_svc.planner.source import Source
from chat_svc.planner.texts import read_text
from chat_svc.planner.wish import (
    AT_END,
    EDGE,
    POINTING_LENGTH,
    Argument,
    Item,
    Style,
    View,
    find_options,
    points,
)


def open_view(source: Source, clause: Clause) -> View:
    """The object of `clause`, without "please" and such at its end."""
    view = View(source, clause.verb_end, source.plain[clause.verb_end : clause.end])
    courtesy = form("courtesy").search(view.text, max(0, len(view.text) - 60))
    view = view.without(courtesy.start(), len(view.text)) if courtesy else view
    if form("split_verb").match(source.plain, clause.start, clause.verb_end):
        particle = form("particle").search(view.text, max(0, len(view.text) - 20))
        view = view.without(particle.start(), len(view.text)) if particle else view
    return view


def take_options(
    view: View, before: str, clause: Clause, *, anywhere: bool
) -> tuple[dict[str, Any], View]:
    """The numbers in the words up to the verb and in the view; and the view without them.

    In a text that is not set apart they count at its very beginning or end only, unless
    `anywhere`.
    """
    said = find_options(before, clause.family)
    options = dict(said.options) if said else {}
    late = max(0, len(view.text) - EDGE)
    for shift in dict.fromkeys((0, late)):
        found = find_options(view.text[shift : shift + EDGE], clause.family)
        if found is None:
            continue
        start, end = shift + found.start, shift + found.end
        at_an_edge = not view.text[:start].strip(AT_END) or not view.text[end:].strip(AT_END)
        if anywhere or at_an_edge:
            return {**options, **found.options}, view.without(start, end)
    return options, view


def read_subject(view: View, options: dict[str, Any]) -> Argument:
    """The object of a search."""
    text = view.text
    if len(text) <= POINTING_LENGTH and form("pointing_subject").fullmatch(text):
        return Argument(points_at=text.strip(), options=options)
    if QUOTE in text and points(text.replace(QUOTE, " ")):
        return Argument(items=tuple(map(Item, view.quotes())), options=options)
    small = form("small_before_subject").match(text)
    start = small.end() if small else 0
    end = text.find("\n", start)
    end = len(text.rstrip()) if end < 0 else end
    return Argument(items=(Item(view.raw(start, end).rstrip(AT_END)),), options=options)


def _told_in(view: View) -> Target | None:
    """The language that an answer is wanted in: "tell me about bees in Spanish"."""
    last = find_targets(view.text)[-1:]
    ends = bool(last) and not view.text[last[0].end :].strip(AT_END)
    ends = ends and not has("done", view.text[: last[0].start][-EDGE:])
    return last[0] if ends and view.text[: last[0].start].strip() else None


def read_argument(source: Source, clause: Clause, *, has_data: bool) -> Argument:
    """Reads the object of `clause`; `has_data` when a text follows it after a colon or below."""
    family = clause.family
    if family is None or family.style is Style.REQUEST:
        return Argument()
    verb = source.plain[clause.start : clause.verb_end]
    before = source.plain[clause.begins : clause.verb_end]
    view = open_view(source, clause)
    if family.style is Style.QUERY:
        options, view = take_options(view, before, clause, anywhere=True)
        told = _told_in(view) if clause.weak else None
        if told is None:
            return read_subject(view, options)
        subject = read_subject(view.without(told.start, len(view.text)), options)
        return replace(subject, then_to=told.tags)
    anywhere = has_data or QUOTE in view.text
    options, view = take_options(view, before, clause, anywhere=anywhere)
    return read_text(view, verb, family, options, has_data=has_data)
