"""Reads an instruction whose material is known: kinds of work in order, languages, and how."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from chat_svc.planner.forms import fold, form, has, spelled
from chat_svc.planner.languages import Target, find_source, find_targets, named_language
from chat_svc.planner.vocabulary import unclaimed
from chat_svc.planner.wish import (
    BY_KEY,
    SEARCH,
    SUMMARIZE,
    TRANSLATE,
    Argument,
    Family,
    Item,
    Wish,
    find_options,
)

_CUES = ("detect", "summarize", "about_text", "translate", "search", "analyze", "localize")
_NEAR = 100
_FORMS = {"search": "works_on_it", "about_text": "asks_about"}
"""Kinds that are named by more than words."""


@dataclass(frozen=True, slots=True)
class Cue:
    """A kind of work and where it is named."""

    family: Family
    start: int
    end: int


def cues(folded: str) -> list[Cue]:
    """The kinds of work that folded text names, in order, each mention of a made thing left out."""
    found: list[Cue] = []
    hits = [
        Cue(BY_KEY.get(key, SUMMARIZE), hit.start(), hit.end())
        for key in _CUES
        for hit in (form(_FORMS[key]) if key in _FORMS else spelled(key)).finditer(folded)
    ]
    for hit in sorted(hits, key=lambda cue: (cue.start, -cue.end)):
        known = {cue.family for cue in found}
        named = form("the").search(folded[max(0, hit.start - 8) : hit.start])
        made = hit.family in known and (
            named or form("spotting_noun").search(folded[hit.start : hit.end])
        )
        inside = found and hit.start < found[-1].end
        if not (made or inside or (found and hit.family is found[-1].family)):
            found.append(hit)
    return found


def wishes_of(instruction: str, material: str, *, question: bool) -> list[Wish]:
    """What an instruction asks to do with the material; none when it asks for nothing.

    `question`: the material is itself a question, so that it is searched for first.
    """
    folded = fold(instruction)
    found = cues(folded)
    targets = find_targets(folded, romance="trad" in folded) or _bare(folded)
    if not found and targets:
        found = [Cue(TRANSLATE, targets[0].start, targets[0].start)]
    if (
        len(found) == 1
        and targets
        and form("says").fullmatch(folded[found[0].start : found[0].end])
    ):
        # "What do these lines say in English?" is answered by the lines in English.
        found = [replace(found[0], family=TRANSLATE)]
    if not found and (shape := find_options(folded, SUMMARIZE)):
        found = [Cue(SUMMARIZE, shape.start, shape.end)]
    if found and targets and _goes_first(folded, targets[0], found[0]):
        found.insert(0, Cue(TRANSLATE, 0, targets[0].end))
    wishes: list[Wish] = []
    for index, cue in enumerate(found):
        begin = cue.start if index else 0
        end = found[index + 1].start if index + 1 < len(found) else len(folded)
        mine = [target for target in targets if begin <= target.start < end]
        # "She wrote in German. Translate to English": a language of another sentence.
        near = [
            one
            for one in mine
            if not form("spotting_stop").search(folded[one.end : max(one.end, cue.start)])
        ]
        tags = _tags(near or mine)
        wishes.append(_wish(cue, folded[begin:end], tags))
    wishes = _borrow(wishes)
    answered = not cues(folded) and has("answers", folded)
    if question and wishes and (wishes[0].family is not TRANSLATE or answered):
        searched = [] if wishes[0].family is SEARCH else wishes
        wishes = [Wish(material, SEARCH, Argument()), *searched]
    if wishes:
        first = wishes[0].argument
        items = tuple(Item(material, item.target) for item in first.items)
        argument = replace(first, items=items, points_at="")
        wishes[0] = replace(wishes[0], request=f"{instruction}: {material}", argument=argument)
    return wishes


def _goes_first(folded: str, target: Target, cue: Cue) -> bool:
    """Whether a language is gone to before the first kind of work: "into English, then sum up"."""
    joint = folded[target.end : cue.start]
    put = form("puts").search(folded[: target.start]) and form("and").search(joint)
    return bool(put) or has("then", joint)


def _bare(folded: str) -> list[Target]:
    """Languages that are only named: "German please", "a French summary of this"."""
    if find_source(folded):
        return []
    named = ((word, named_language(word[0])) for word in form("long_word").finditer(folded))
    return [Target(word.start(), word.end(), (tag,)) for word, tag in named if tag]


def _tags(targets: Iterable[Target]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag for target in targets for tag in target.tags))


def _wish(cue: Cue, said: str, tags: tuple[str, ...]) -> Wish:
    option = find_options(said, cue.family)
    options = dict(option.options) if option else {}
    argument = Argument(points_at=said.strip()[:150], options=options)
    if cue.family.targeted:
        if origin := find_source(said):
            argument.options["source_language"] = origin.tags[0]
        items = tuple(Item(None, tag) for tag in tags) or (Item(),)
        return Wish(said.strip(), cue.family, replace(argument, items=items))
    return Wish(said.strip(), cue.family, replace(argument, then_to=tags))


def _borrow(wishes: list[Wish]) -> list[Wish]:
    """Gives a translation without a language the one that was named elsewhere."""
    spare = [wish for wish in wishes if wish.argument.then_to]
    lacking = [
        wish
        for wish in wishes
        if wish.family is TRANSLATE and all(item.target is None for item in wish.argument.items)
    ]
    if not spare or not lacking:
        return wishes
    tags = spare[0].argument.then_to
    given = replace(lacking[0].argument, items=tuple(Item(None, tag) for tag in tags))
    left = replace(spare[0].argument, then_to=())
    swaps = {id(lacking[0]): given, id(spare[0]): left}
    return [replace(w, argument=swaps.get(id(w), w.argument)) for w in wishes]


def languages_only(folded: str) -> tuple[str, ...]:
    """The languages of a message that says nothing else ("to Spanish", "French please")."""
    if len(folded) > _NEAR or cues(folded) or unclaimed(folded, most=1):
        return ()
    found = find_targets(folded)
    named = [tag for word in form("long_word").findall(folded) if (tag := named_language(word))]
    return _tags(found) or tuple(dict.fromkeys(named))
