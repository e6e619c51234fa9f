"""What a message changes of the wish before it: "do it again", "the same in French", "shorter"."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chat_svc.planner.account import about_us
from chat_svc.planner.agents import Names
from chat_svc.planner.clauses import begin
from chat_svc.planner.forms import QUOTE, blanked, form
from chat_svc.planner.frame import PLACES, with_targets, with_text
from chat_svc.planner.hearing import Heard
from chat_svc.planner.languages import bare_languages, find_targets, tags_of
from chat_svc.planner.options import find_options
from chat_svc.planner.source import Source
from chat_svc.planner.spotting import cues
from chat_svc.planner.vocabulary import unclaimed
from chat_svc.planner.wish import (
    AT_END,
    SEARCH,
    SUMMARIZE,
    TRANSLATE,
    Argument,
    Item,
    Mention,
    Style,
    Wish,
    points,
)

_LONGEST = 20_000
_SHORT = 100
_NEAR = 200


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be different this time.

    Attributes:
        again: whether the wish is to be done once more; else it is its result that changes.
        tags: languages to go to.
        options: as the planner's options.
        mention: who is to do it.
        text: what to do it with.
    """

    again: bool = False
    tags: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    mention: Mention | None = None
    text: str | None = None

    def only_translates(self) -> bool:
        """Whether languages are all that is to be different."""
        return bool(self.tags) and not (self.options or self.mention or self.text)


def read_change(heard: Heard, names: Names) -> Change | None:
    """What a message changes and nothing else; None when it asks for something of its own.

    A change that cannot be made ("with more detail") makes it something of its own too.
    """
    source = heard.source
    again = form("again").match(source.plain) if len(heard.text) <= _LONGEST else None
    if again is None:
        return _slots(source.plain)
    if form("no_change").fullmatch(source.plain, again.end()):
        return Change(again=True)
    joint = form("again_joint").match(source.plain, again.end())
    start = joint.end() if joint else again.end()
    given = form("with").match(source.plain, start)
    change = _more(source, given.end() if given else start, names)
    # Without "with" or "for", what follows is a sentence of its own: "Again, search for cats".
    quoted = source.plain[start:].lstrip().startswith(QUOTE)
    said = source.plain[given.end() :] if given else ""
    asks = cues(said[:_NEAR]) or about_us(said.strip()) or begin(said, 0, names.find).asks
    own = not said or form("how").match(said) or (asks and not points(said))
    return None if change.text is not None and own and not quoted else change


def _slots(plain: str) -> Change | None:
    """The languages and the form that words name and nothing else: "no, I meant Spanish"."""
    if len(plain) > _SHORT or QUOTE in plain or PLACES & set(plain.split()):
        return None
    if lead := form("corrects").match(plain):
        plain = form("more").sub(" ", plain[lead.end() :])
    option = find_options(plain, SUMMARIZE)
    rest = blanked(plain, option.start, option.end) if option else plain
    if cues(rest) or unclaimed(rest, most=1):
        return None
    tags = tags_of(find_targets(rest) or bare_languages(rest))
    options = option.options if option else {}
    return Change(tags=tags, options=options) if tags or options else None


def _more(source: Source, start: int, names: Names) -> Change:
    rest = source.plain[start:]
    if slots := _slots(rest):
        return replace(slots, again=True)
    targets = find_targets(rest[:_NEAR])
    found = [find_options(rest[:_NEAR], family) for family in (SUMMARIZE, SEARCH)]
    options = {name: value for one in found if one for name, value in one.options.items()}
    left = rest
    for start_, end in [(one.start, one.end) for one in (*targets, *found) if one]:
        left = blanked(left, start_, end)
    who = left.strip(AT_END)
    ids = names.meant(who) if QUOTE not in left else ()
    mention = Mention(who, ids, 0) if ids else None
    text = _text(source, start, left) if who and not ids else None
    return Change(True, tags_of(targets), options, mention, text)


def _text(source: Source, start: int, left: str) -> str:
    content = left.rstrip(AT_END)
    begin = len(content) - len(content.lstrip())
    if content.strip() == QUOTE:
        return source.quotes_in(start, start + len(content))[0]
    return source.original(start + begin, start + len(content)).strip()


def repeated(wishes: Sequence[Wish], change: Change) -> list[Wish]:
    """The wishes of before, with what is to be different this time."""
    changed = [_with_options(wish, change.options) for wish in wishes]
    if change.text is not None:
        changed[0] = with_text(changed[0], change.text)
    if change.mention is not None:
        changed[0] = replace(changed[0], mention=change.mention)
    if not change.tags:
        return changed
    if not any(wish.family.targeted for wish in changed):
        return [*changed, translation(change.tags)]
    return [with_targets(wish, change.tags) if wish.family.targeted else wish for wish in changed]


def reshaped(change: Change, plain: str) -> list[Wish]:
    """Wishes for what was made, or what the words name, in another form and other languages."""
    shape = Argument(points_at="it", options=dict(change.options))
    summary = [Wish("", SUMMARIZE, shape, elliptic=True)] if change.options else []
    onwards = translation(change.tags, "it" if summary else plain)
    return summary + ([replace(onwards, elliptic=True)] if change.tags else [])


def translation(tags: Sequence[str], points_at: str = "it") -> Wish:
    """A wish for a translation of what was said last, or of what words point at."""
    return Wish("", TRANSLATE, Argument(tuple(Item(None, tag) for tag in tags), points_at))


def _with_options(wish: Wish, options: Mapping[str, Any]) -> Wish:
    finds = wish.family.style is Style.QUERY
    mine = {name: value for name, value in options.items() if finds == (name == "num_results")}
    argument = replace(wish.argument, options={**wish.argument.options, **mine})
    return replace(wish, argument=argument)
