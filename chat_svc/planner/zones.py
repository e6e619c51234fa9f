"""Tells instruction from material by form: fences, colons, lines, sentences and what is claimed.

A stretch of words is instruction when every word of it is claimed (`vocabulary`): it asks, points
or says how. It stands before the material, after it, or both. What is between is material, and no
word of it is looked at for a wish. A message whose words ask and give in one breath ("translate
hello to French") has no zones; its clauses are read one by one.
"""

from dataclasses import dataclass
from itertools import islice

from chat_svc.planner.forms import QUOTE, fold, form, has
from chat_svc.planner.languages import find_targets, language_in
from chat_svc.planner.options import find_options
from chat_svc.planner.source import Source
from chat_svc.planner.vocabulary import KINDS, says, unclaimed
from chat_svc.planner.wish import SUMMARIZE

_NEAR = 600
_MOST = 12
_PROSE = 12
"""Words from which on something reads as a text that was pasted."""
_LONG = 25
_AROUND = 100
_OWN_LINES = 5
"""Words that nobody claims which a last paragraph may hold that asks; the gate looks at them."""
_STRANGERS = 2
"""Words that nobody claims which an instruction on its own lines may hold."""


@dataclass(frozen=True, slots=True)
class Zones:
    """The parts of a message.

    Attributes:
        instruction: what asks, as typed; empty when only a text was pasted.
        material: what it is asked about.
        start: where the material begins in the source's folded text.
        end: where it ends.
        announced: whether form alone says that it is material: a colon, a fence, an own line.
    """

    instruction: str
    material: str
    start: int
    end: int
    announced: bool


def asks(folded: str) -> bool:
    """Whether words name a kind of work, a question about a text, or a language to go to."""
    return (
        any(says(kind, folded) for kind in KINDS if kind != "search")
        or has("asks_about", folded)
        or has("works_on_it", folded)
        or bool(find_targets(folded))
        or (len(folded) < _NEAR and find_options(folded, SUMMARIZE) is not None)
        or (len(folded) < _NEAR and language_in(folded) is not None)
    )


def is_prose(folded: str) -> bool:
    """Whether words are a text of some length rather than something said to an assistant."""
    words = len(folded[: 100 * _LONG].split())
    return words >= _LONG or (words >= _PROSE and has("sentence", folded))


def read_zones(source: Source) -> Zones | None:
    """The zones of a message; None when it has none."""
    zones = _by_lines(source)
    if zones is None or not zones.announced or not asks(fold(zones.instruction)):
        zones = _quotation(source) or zones
    return zones


def _by_lines(source: Source) -> Zones | None:
    plain = source.plain
    start, colon = _head(source)
    capital = 0 if start else _capital_run(source)
    start = start or capital
    begins = asks(plain[:start])
    end = len(plain)
    if not begins:
        start = start if capital or ":" in plain[:start] else 0
        end = _tail(plain, start)
    elif plain[start:].lstrip().startswith(QUOTE) and plain.count(QUOTE, start) == 1:
        quote = plain.index(QUOTE, start) + 1
        end = end if unclaimed(plain[quote:], most=1) else quote
    text = plain[start:end]
    if (start == 0 and end == len(plain)) or not text.strip():
        return None
    material = source.quotes_in(start, end)[0] if text.strip(" \n.") == QUOTE else ""
    said = f"{source.original(0, start).strip()}\n{source.original(end, len(plain)).strip()}"
    return Zones(
        said.strip(),
        material or source.original(start, end).strip(),
        start,
        end,
        announced=colon or bool(material) or plain[:start].endswith("\n") or capital > 0,
    )


def _quotation(source: Source) -> Zones | None:
    """A single quotation, when the words around it are nothing but the asking."""
    around = source.plain.replace(QUOTE, " ")
    if len(source.quotes) != 1 or len(around) > _AROUND or not asks(around):
        return None
    left = unclaimed(around, most=2)
    if len(left) > (0 if says("search", around) else 1):
        return None
    at = source.plain.index(QUOTE)
    return Zones(around.strip(), source.quotes[0], at, at + 1, announced=True)


def _head(source: Source) -> tuple[int, bool]:
    """Where instruction at the beginning ends, and whether a colon says so; 0 for none."""
    plain = source.plain
    paragraph_end = plain.find("\n\n", 0, _NEAR)
    part = plain[: max(0, paragraph_end)]
    # "Shorten this: Dear all," has more than the asking in its first paragraph.
    begun = ":" in part and unclaimed(part.rpartition(":")[2], most=1)
    asked = QUOTE not in part and not begun and asks(part) and is_prose(plain[paragraph_end:])
    if asked and len(unclaimed(part, most=_STRANGERS + 1)) <= _STRANGERS:
        label = form("label").match(plain, paragraph_end)
        label = None if label and unclaimed(label[0], most=1) else label
        return (label.end(), True) if label else (paragraph_end, False)
    found = last = 0
    colon = paragraph = False
    for mark in islice(form("boundary").finditer(plain, 0, _NEAR), _MOST):
        part = plain[last : mark.start()]
        left = unclaimed(part, most=_STRANGERS + 1)
        told = asks(part) and has("zones_sets_off", plain[last : mark.end()])
        # "Sum up Breaking: the bridge ...": a stranger with a capital is of the text.
        told = told and not any(
            word.title() in source.original(last, mark.start()) for word in left
        )
        if QUOTE in part or len(left) > (_STRANGERS if told else 0):
            break
        if paragraph and (mark[0] != ":" or asks(part) or not form("introduces").search(part)):
            break
        paragraph = paragraph or ("\n\n" in mark[0] and asks(plain[: mark.start()]))
        found, colon = mark.end(), mark[0][0] in ":->|"
        last = mark.end()
        if colon and asks(plain[:found]):
            break
    return found, colon


def _capital_run(source: Source) -> int:
    """Where a text begins in the middle of a line: "sum this up for me Our company ..."."""
    for capital in islice(form("capital").finditer(source.raw, 0, _NEAR), _MOST):
        at = capital.start()
        head = source.plain[:at]
        if QUOTE in head or unclaimed(head, most=1):
            return 0
        rest = source.plain[at:]
        if asks(head) and is_prose(rest):
            return at
    return 0


def _tail(plain: str, start: int) -> int:
    """Where instruction at the end begins; the end of the text when there is none."""
    begin = max(start, len(plain) - _NEAR)
    marks = list(form("boundary").finditer(plain, begin))[-_MOST:]
    found = stop = len(plain)
    last = plain.rfind("\n\n", begin)
    said = plain[last:] if last > 0 else ""
    strange = len(unclaimed(said, most=_OWN_LINES + 1))
    if asks(said) and strange <= _OWN_LINES and is_prose(plain[start:last]):
        return last
    for mark in reversed(marks):
        part = plain[mark.end() : stop]
        if QUOTE in part or unclaimed(part, most=1):
            break
        stop = mark.end()
        if asks(plain[stop:]):
            found = stop
    return found
