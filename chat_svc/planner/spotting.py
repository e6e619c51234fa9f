"""Finds the kinds of work in an instruction whose material is elsewhere, wherever named."""

from dataclasses import replace

from chat_svc.planner.clauses import Clause
from chat_svc.planner.forms import form, has, spelled
from chat_svc.planner.languages import Target, bare_languages, find_targets
from chat_svc.planner.options import find_options
from chat_svc.planner.wish import BY_KEY, SUMMARIZE, TRANSLATE

_CUES = ("detect", "summarize", "about_text", "translate", "search", "analyze", "localize")
_FORMS = {"search": "works_on_it", "about_text": "asks_about"}
"""Kinds that are named by more than words."""


def cues(plain: str) -> list[Clause]:
    """The kinds of work that folded text names, in order; a made thing named again is none."""
    hits = [
        Clause(0, hit.start(), hit.end(), len(plain), BY_KEY.get(key, SUMMARIZE))
        for key in _CUES
        for hit in (form(_FORMS[key]) if key in _FORMS else spelled(key)).finditer(plain)
    ]
    found: list[Clause] = []
    for hit in sorted(hits, key=lambda cue: (cue.start, -cue.verb_end)):
        named = form("the").search(plain, max(0, hit.start - 8), hit.start)
        named = named or form("made_thing").search(plain, hit.start, hit.verb_end)
        made = named and hit.family in {cue.family for cue in found}
        last = found[-1] if found else None
        if not made and (
            last is None or (hit.start >= last.verb_end and hit.family != last.family)
        ):
            found.append(hit)
    return found


def spot(plain: str) -> list[Clause]:
    """The clauses of a folded instruction whose material is elsewhere: what it names, anywhere."""
    found = cues(plain)
    targets = find_targets(plain, romance="trad" in plain) or bare_languages(plain)
    start = targets[0].start if targets else 0
    if not found and targets:
        found = [Clause(0, start, start, len(plain), TRANSLATE)]
    if not found and (shape := find_options(plain, SUMMARIZE)):
        found = [Clause(0, shape.start, shape.start, len(plain), SUMMARIZE)]
    first = found[0] if found else None
    if first and targets and form("says").fullmatch(plain[first.start : first.verb_end]):
        # "What do these lines say in English?" is answered by the lines in English.
        found = [replace(first, family=TRANSLATE)]
    elif first and targets and _goes_first(plain, targets[0], first):
        found.insert(0, Clause(0, 0, targets[0].end, len(plain), TRANSLATE))
    starts = [0, *(cue.start for cue in found[1:]), len(plain)]
    return [
        replace(cue, begins=begins, end=end)
        for cue, begins, end in zip(found, starts, starts[1:], strict=False)
    ]


def _goes_first(plain: str, target: Target, cue: Clause) -> bool:
    """Whether a language is gone to before the first kind of work: "into English, then sum up"."""
    joint = plain[target.end : cue.start]
    put = has("puts", plain, 0, target.start) and has("joins", joint)
    return put or has("then", joint)
