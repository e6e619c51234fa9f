"""What a message says before its wishes are read: commands spelt right, limits, zones."""

import difflib
import re
from dataclasses import dataclass, replace
from decimal import Decimal

from chat_svc.planner.forms import data, fold, form, spelled, word_set
from chat_svc.planner.languages import find_language
from chat_svc.planner.source import Source, read_source
from chat_svc.planner.vocabulary import KINDS, unclaimed
from chat_svc.planner.wish import SUMMARIZE
from chat_svc.planner.zones import Zones, asks, is_prose, read_zones

_NEAR = 150
_MOST_MISSING = 1
_SHORTEST = 5
_LIKENESS = 0.83


def respell(text: str) -> str:
    """The text with its misspelt commands spelt right.

    They are looked for at its beginning, up to a quotation or a colon.
    """
    if said := form("you").search(fold(text)):
        text = f"{text[: said.start()]}you{text[said.end() :]}"
    folded = fold(text)
    stop = form("no_command").search(text, 0, _NEAR)
    end = stop.start() if stop else _NEAR
    for word in reversed(list(form("command").finditer(folded, 0, end))):
        if meant := _meant(word[0]):
            text = text[: word.start()] + meant + text[word.end() :]
    return text


def _meant(word: str) -> str | None:
    if word in data("sets")["typos"]:
        return str(data("sets")["typos"][word])
    alike = [
        verb
        for verb in sorted(word_set("respelt"))
        if verb[0] == word[0]
        and abs(len(verb) - len(word)) <= _MOST_MISSING
        and not word.startswith(verb)
    ]
    if len(word) < _SHORTEST or not unclaimed(word, most=1):
        return None
    near = difflib.get_close_matches(word, alike, 1, _LIKENESS)
    return near[0] if near else None


_LONGEST = 2_000
_NEAR_TERMS = 200


@dataclass(frozen=True, slots=True)
class Terms:
    """What is ruled out.

    Attributes:
        cap: BazaarBucks that it may cost; None when nothing is said about that.
        forbidden: kinds of work that nobody is to be asked for.
        nothing: whether no agent is to be called at all.
    """

    cap: Decimal | None = None
    forbidden: frozenset[str] = frozenset()
    nothing: bool = False


def read_terms(text: str) -> tuple[str, Terms]:
    """A text without the words that limit it, and what they say. Quotations are left alone."""
    if len(text) > _LONGEST:
        return text, Terms()
    text, cap = _read_cap(text)
    text, forbidden, nothing = _read_forbidden(text)
    return _without_refused_language(text), Terms(cap, frozenset(forbidden), nothing)


def cap_before(text: str) -> Decimal | None:
    """A cap in the words before a text, even where those hold more than the asking."""
    return _read_cap(re.split("[:\n]", text[:_NEAR_TERMS], maxsplit=1)[0])[1]


def cap_after(text: str) -> tuple[str, Decimal | None]:
    """A text without a last sentence that is nothing but a cap, and the cap."""
    ends = list(form("last").finditer(text, max(0, len(text) - _NEAR_TERMS)))
    if not ends:
        return text, None
    rest, cap = _read_cap(text[ends[-1].end() :].strip())
    if cap is None or unclaimed(fold(rest), most=1):
        return text, None
    return text[: ends[-1].start() + 1], cap


def _cut(source: Source, start: int, end: int) -> str:
    before, after = source.original(0, start), source.original(end, len(source.plain))
    after = after.lstrip()
    joint = "" if after.startswith((":", ".", ",", ";", "!", "?")) else " "
    return f"{before.rstrip()}{joint}{after}".strip().lstrip(":,; ")


def _read_cap(text: str) -> tuple[str, Decimal | None]:
    source = read_source(text)
    if free := form("free").search(source.plain):
        return _cut(source, free.start(), free.end()), Decimal(0)
    for found in form("cap").finditer(source.plain):
        amount = Decimal(found["amount"].replace(",", "."))
        if found["cents"]:
            amount /= 100
        pays = form("pays").search(found[0])
        said = pays or found["most"] or found["strong"] or found["least"]
        ours = pays or found["coin"] or found["cents"] or "." in found["amount"]
        if said and (ours or amount <= 1):
            return _cut(source, found.start(), found.end()), amount
    return text, None


def _read_forbidden(text: str) -> tuple[str, set[str], bool]:
    forbidden: set[str] = set()
    nothing = False
    for _ in range(2):
        source = read_source(text)
        patterns = (form("forbids"), form("without"))
        hits = (one for pattern in patterns for one in pattern.finditer(source.plain))
        found = next((one for one in hits if _rules_out(one["what"])), None)
        if found is None:
            break
        what = found["what"]
        kinds = _kinds(what)
        forbidden |= kinds
        nothing |= not kinds
        start = found.start() + (found[0][:1] in ".:\n")
        text = _cut(source, start, found.end()).lstrip(" ,;")
    return text, forbidden, nothing


def _kinds(what: str) -> set[str]:
    """The kinds of work that words begin by naming, or whose results: "the short one"."""
    short = {SUMMARIZE.name} if form("short_one").match(what) else set()
    return short | {kind for kind in KINDS if spelled(kind).match(what)}


def _rules_out(what: str) -> bool:
    return bool(_kinds(what)) or (
        form("calls_somebody").fullmatch(what) is not None
        and not unclaimed(form("agent").sub("", what.partition(" ")[2]), most=1)
    )


def _without_refused_language(text: str) -> str:
    """Takes ", not Spanish" out of "translate it to French, not Spanish"."""
    source = read_source(text)
    for refusal in form("not_language").finditer(source.plain):
        named = find_language(source.plain, refusal.end())
        if named:
            return _cut(source, refusal.start(), named[1])
    return text


@dataclass(frozen=True, slots=True)
class Heard:
    """A message.

    Attributes:
        text: as typed, but for misspelt commands and the words that limit it.
        source: the same, folded.
        zones: its instruction and its material; None when they are one.
        terms: what it rules out.
    """

    text: str
    source: Source
    zones: Zones | None
    terms: Terms

    @property
    def pasted(self) -> str | None:
        """The text of a message that holds nothing but one."""
        if self.zones is None:
            return self.text.strip() if is_prose(self.source.plain) else None
        only = not asks(fold(self.zones.instruction))
        return self.zones.material if only and is_prose(fold(self.zones.material)) else None


def hear(text: str) -> Heard:
    """Reads a message; what limits it is looked for in its instruction alone."""
    text = respell(text)
    source = read_source(text)
    zones = read_zones(source)
    if zones is None or not (zones.announced or is_prose(fold(zones.material))):
        told, terms = read_terms(text)
        source = read_source(told)
        zones = read_zones(source)
        return Heard(told, source, zones, terms)
    instruction, terms = read_terms(zones.instruction)
    if terms.cap is None:
        material, cap = cap_after(zones.material)
        zones, terms = replace(zones, material=material), replace(terms, cap=cap)
    if terms.cap is None and zones.start == 0:
        terms = replace(terms, cap=cap_before(text))
    return Heard(text, source, replace(zones, instruction=instruction), terms)
