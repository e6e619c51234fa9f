"""Tells the words of a request from the text that it comes with.

A text may follow a colon, stand on the lines below, or stand above the request. It is data:
nothing in it is read as a wish. The one exception is a last sentence that begins with "Also" and
a known verb, as in "Summarize: ... Also search for cats".
"""

from dataclasses import dataclass
from itertools import islice

from chat_svc.planner.clauses import (
    HEAD,
    TAIL,
    Clause,
    FindMention,
    begin,
    has_target_at_end,
    split,
)
from chat_svc.planner.forms import QUOTE, blanked, form, has
from chat_svc.planner.languages import find_targets
from chat_svc.planner.wish import POINTING_LENGTH, Style, is_targeted, points, style_of

_MOST_MARKS = 12
_NEAR = 200


@dataclass(frozen=True, slots=True)
class Layout:
    """Places in the source: the clauses of a request, and the text that they come with."""

    clauses: tuple[Clause, ...]
    data: tuple[int, int] | None = None


def _object(plain: str, clause: Clause, end: int) -> str:
    """The clause's object without languages and numbers."""
    text = plain[clause.verb_end : min(end, clause.verb_end + POINTING_LENGTH)]
    for target in find_targets(text, romance=True):
        text = blanked(text, target.start, target.end)
    return text


def _is_inline(plain: str, colon: int) -> bool:
    """Whether what follows a colon is nothing, or a quotation after which the request goes on."""
    after = plain[colon + 1 : colon + 1 + _NEAR].lstrip(" \t\n")
    return not after or (
        after.startswith(QUOTE) and form("after_quote").match(after, 1) is not None
    )


def _opens_with_colon(plain: str, clause: Clause, colon: int, find: FindMention) -> bool:
    """Whether the text of a clause follows a colon."""
    head = plain[clause.verb_end : colon]
    if clause.weak or form("layout_languages").search(head) or _is_inline(plain, colon):
        return False
    if style_of(clause.family) is Style.REQUEST:
        asks = form("asks_somebody").match(plain, clause.start) or form("quality_task").search(
            plain, clause.start, colon
        )
        called = clause.mention or find(plain, clause.start)
        return asks is not None and called is None
    about = _object(plain, clause, colon)
    if points(about) or form("follows").search(about) or form("describes").fullmatch(about):
        return True
    return is_targeted(clause.family) and QUOTE not in head and has_target_at_end(head)


def _opens_with_sentence(
    plain: str, clause: Clause, stop: int, find: FindMention, *, new: bool
) -> bool:
    """Whether the text follows in the next sentence: "Sum up the following article? One ..."."""
    if style_of(clause.family) is not Style.TEXT:
        return False
    about = _object(plain, clause, stop)
    announced = form("follows").search(about) or (new and form("layout_this").match(about))
    next_ = begin(plain[: stop + HEAD], stop, find)
    spoken = next_.family is not None or next_.mention is not None
    return bool(announced and points(about) and not spoken and next_.start < len(plain.rstrip()))


def _skip_preface(plain: str, start: int, end: int) -> int:
    """Goes past "Please do the following:"."""
    for mark in islice(form("mark").finditer(plain, start, min(end, start + _NEAR)), 2):
        if form("preface").fullmatch(plain, start, mark.start()):
            return mark.end()
    return start


def split_off_also(plain: str, start: int, end: int, find: FindMention) -> tuple[int, int] | None:
    """A last sentence of a text that is a wish after all: "Also search for ..."."""
    content = len(plain[:end].rstrip())
    for stop in form("sentence_end").finditer(plain, max(start, end - TAIL), end):
        also = form("at_end_also").match(plain, stop.end())
        if also is None:
            continue
        clause = begin(plain[:end], also.start(), find)
        single = not has("sentence_end", plain, also.end(), content)
        if single and clause.family is not None and not clause.weak:
            return also.start(), end
    return None


def list_items(plain: str, start: int, end: int, find: FindMention) -> list[tuple[int, int]]:
    """The lines of a list of requests; none when it is no such list."""
    marks = list(islice(form("list_mark").finditer(plain, start, end), _MOST_MARKS))
    if len(marks) <= 1 or plain[start : marks[0].start()].strip():
        return []
    clauses = [begin(plain[:end], mark.end(), find) for mark in marks]
    if not all(clause.family or clause.mention for clause in clauses):
        return []
    starts = [mark.end() for mark in marks]
    return list(zip(starts, [mark.start() for mark in marks[1:]] + [end], strict=True))


def read_layout(
    plain: str, start: int, end: int, find: FindMention, *, talked: bool
) -> list[Layout]:
    """The parts of a message between two places.

    `talked`: "translate it" may mean an earlier result, so a neighbouring sentence is not
    taken for its text.
    """
    start = _skip_preface(plain, start, end)
    items = list_items(plain, start, end, find)
    if items:
        parts = (read_layout(plain, *item, find, talked=True) for item in items)
        return [layout for part in parts for layout in part]
    for mark in islice(form("mark").finditer(plain, start, min(end, start + HEAD)), _MOST_MARKS):
        if not plain[mark.end() : end].strip():
            break
        clauses = split(plain, start, mark.start(), find)
        stop, clause = mark.start(), clauses[-1]
        if mark[0] == ":":
            opens = _opens_with_colon(plain[:end], clause, stop, find)
        else:
            new = not talked
            opens = _opens_with_sentence(plain[:end], clause, stop, find, new=new)
        if not opens:
            continue
        also = split_off_also(plain, mark.end(), end, find)
        layout = Layout(tuple(clauses), (mark.end(), also[0] if also else end))
        if also is None:
            return [layout]
        return [layout, *read_layout(plain, *also, find, talked=True)]
    return [Layout(tuple(split(plain, start, end, find)))]
