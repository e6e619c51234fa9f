"""Reads "do it again", "the same in French" and "again for 'dog'" with what was asked before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chat_svc.planner.agents import Names
from chat_svc.planner.forms import QUOTE, blanked, form
from chat_svc.planner.frame import languages_only, with_targets, with_text
from chat_svc.planner.languages import find_targets
from chat_svc.planner.options import find_options
from chat_svc.planner.source import Source, read_source
from chat_svc.planner.wish import AT_END, FAMILIES, TRANSLATE, Argument, Item, Mention, Wish

_LONGEST = 20_000
_NEAR = 200


@dataclass(frozen=True, slots=True)
class Again:
    """What is to be different this time; nothing of it in a plain repetition.

    Attributes:
        tags: languages to go to.
        options: as the planner's options, for each kind of work by its name.
        mention: who is to do it.
        text: what to do it with.
    """

    tags: tuple[str, ...] = ()
    options: Mapping[str, Mapping[str, Any]] | None = None
    mention: Mention | None = None
    text: str | None = None

    def only_translates(self) -> bool:
        """Whether languages are all that is to be different."""
        return bool(self.tags) and not (self.options or self.mention or self.text)


def read_again(text: str, names: Names) -> Again | None:
    """The repetition that a message asks for; None when it asks for something of its own.

    A change that cannot be made ("with more detail") makes it something of its own too.
    """
    if len(text) > _LONGEST:
        return None
    source = read_source(text)
    again = form("again").match(source.plain)
    if again is None:
        return None
    if form("no_change").fullmatch(source.plain, again.end()):
        return Again()
    joint = form("again_joint").match(source.plain, again.end())
    start = joint.end() if joint else again.end()
    given = form("with").match(source.plain, start)
    change = _changes(source, given.end() if given else start, names)
    # Without "with" or "for", what follows is a sentence of its own: "Again, search for cats".
    quoted = source.plain[start:].lstrip().startswith(QUOTE)
    understood = (
        change.text is None
        or quoted
        or (given and not form("how").match(source.plain, given.end()))
    )
    return change if understood else None


def _changes(source: Source, start: int, names: Names) -> Again:
    rest = source.plain[start:]
    if bare := languages_only(rest):
        return Again(bare)
    tags: list[str] = []
    for target in find_targets(rest[:_NEAR]):
        tags += target.tags
        rest = blanked(rest, target.start, target.end)
    options: dict[str, Mapping[str, Any]] = {}
    left = rest
    for family in FAMILIES:
        found = find_options(rest[:_NEAR], family)
        if found is not None:
            options[family.name] = found.options
            left = blanked(left, found.start, found.end)
    who = left.strip(AT_END)
    ids = names.meant(who) if QUOTE not in left else ()
    mention = Mention(who, ids, 0) if ids else None
    text = _text(source, start, left) if who and not ids else None
    return Again(tuple(dict.fromkeys(tags)), options, mention, text)


def _text(source: Source, start: int, left: str) -> str:
    content = left.rstrip(AT_END)
    begin = len(content) - len(content.lstrip())
    if content.strip() == QUOTE:
        return source.quotes_in(start, start + len(content))[0]
    return source.original(start + begin, start + len(content)).strip()


def repeated(wishes: Sequence[Wish], again: Again) -> list[Wish]:
    """The wishes of before, with what is to be different this time."""
    changed = [_with_options(wish, again) for wish in wishes]
    if again.text is not None and changed:
        changed[0] = with_text(changed[0], again.text)
    if again.mention is not None and changed:
        changed[0] = replace(changed[0], mention=again.mention)
    if not again.tags:
        return changed
    if not any(wish.family.targeted for wish in changed):
        return [*changed, translation(again.tags)]
    return [with_targets(wish, again.tags) if wish.family.targeted else wish for wish in changed]


def translation(tags: Sequence[str]) -> Wish:
    """A wish for a translation of what was said last."""
    return Wish("", TRANSLATE, Argument(tuple(Item(None, tag) for tag in tags), points_at="it"))


def _with_options(wish: Wish, again: Again) -> Wish:
    options = (again.options or {}).get(wish.family.name)
    if not options:
        return wish
    argument = replace(wish.argument, options={**wish.argument.options, **options})
    return replace(wish, argument=argument)
