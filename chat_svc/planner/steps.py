"""From wishes to drafts of steps: which text each works on, and who may do it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from chat_svc.planner import agents
from chat_svc.planner.forms import fold, form, has, word_set
from chat_svc.planner.frame import Conversation, named_kinds
from chat_svc.planner.match import Match, Profile, family_of, stem, stems_of, words_of
from chat_svc.planner.model import MAX_STEPS, RESULT_KEY, Text
from chat_svc.planner.payload import takes_instructions, takes_language
from chat_svc.planner.wish import SEARCH, SUMMARIZE, Style, Wish

NOBODY = "no agent here can do that."
"""How a note ends about a wish that no agent is made for."""
NOT_UNDERSTOOD = "say it in other words, please."
"""How a note ends about words in which no wish was found."""
_ASK_LANGUAGE = "Into which language shall I {kind}? Say for example “to French”."
_NOTHING = "There is nothing"


@dataclass(frozen=True, slots=True)
class Draft:
    """A step before its agent is chosen.

    Attributes:
        matches: agents for it, best first, the first one available.
        by_name: whether the person chose the agent, so that no cheaper one may replace it.
    """

    matches: tuple[Match, ...]
    text: Text
    options: dict[str, Any]
    by_name: bool

    @property
    def depends_on(self) -> tuple[int, ...]:
        """Indexes of the steps whose results it needs."""
        return () if isinstance(self.text, str) else (self.text[RESULT_KEY],)


@dataclass(slots=True)
class Drafts:
    """The drafts so far, and what "it", "both" and "the summary" mean after them.

    Attributes:
        before: what they mean as long as nothing was drafted that they could mean.
    """

    profiles: Sequence[Profile]
    before: Conversation
    steps: list[Draft] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    truncated: bool = False
    lacks_text: bool = False
    last: list[Text] = field(default_factory=list)
    results: list[Text] = field(default_factory=list)
    made: dict[str, list[Text]] = field(default_factory=dict)
    original: str | None = None


def _meant(drafts: Drafts, points_at: str) -> list[Text]:
    """The texts that "it", "the summary" or "both" point at; none when there is none yet."""
    words = set(words_of(points_at))
    for kind in named_kinds(words):
        if kind in drafts.made:
            return drafts.made[kind]
    if drafts.original is not None and words & word_set("original"):
        return [drafts.original]
    if words & word_set("several") and drafts.results:
        return drafts.results[-2:] if "both" in words else drafts.results
    return drafts.last or [*drafts.before.meant(words)]


def _made_before(drafts: Drafts, text: str) -> list[Text]:
    """What "the haiku" means after a step that wrote one; none when it is just a text."""
    thing = form("the_thing").fullmatch(fold(text))
    if thing is None:
        return []
    return drafts.made.get(stem(thing[1])) or [*drafts.before.made(stem(thing[1]))]


def _texts_for_request(drafts: Drafts, wish: Wish, match: Match) -> list[Text]:
    """What an agent gets that is asked in the person's own words."""
    if wish.data is not None:
        return [wish.request if takes_instructions(match.agent) else wish.data]
    if not form("points_back").search(fold(wish.request[: 4 * agents.LONGEST_QUOTE])):
        return [wish.request]
    # A result that is not there yet cannot be written into a sentence: it goes alone.
    return [
        f"{wish.request}\n\n{text}" if isinstance(text, str) else text
        for text in _meant(drafts, "it")
    ] or [wish.request]


def _pieces(drafts: Drafts, wish: Wish, match: Match) -> Iterator[tuple[Text, str | None]]:
    """Texts to work on, each with the language that it goes to."""
    if agents.does_as_asked(match, wish) or wish.family.style is Style.REQUEST:
        yield from ((text, None) for text in _texts_for_request(drafts, wish, match))
        return
    for item in wish.argument.items:
        made_before = _made_before(drafts, item.text) if item.text else []
        if made_before:
            yield from ((text, item.target) for text in made_before)
        elif item.text is not None:
            yield item.text, item.target
        elif (
            wish.elliptic
            and not drafts.results
            and (sources := drafts.before.sources(wish.family.name))
        ):
            yield from ((text, item.target) for text in sources)
        else:
            for text in _meant(drafts, wish.argument.points_at):
                yield text, item.target


def _problem(drafts: Drafts, wish: Wish, matches: Sequence[Match]) -> str | None:
    """Why a wish cannot be planned, in a sentence; None when it can."""
    if not matches:
        unclear = f"I did not understand “{agents.short(wish.request)}”: {NOT_UNDERSTOOD}"
        return f"I cannot {agents.doing(wish)}: {NOBODY}" if agents.is_wish(wish) else unclear
    if not matches[0].agent.available:
        away = ", ".join(dict.fromkeys(match.agent.name for match in matches[:3]))
        return f"I cannot {agents.doing(wish)}: {away} can do that, but is not available right now."
    if not agents.does_as_asked(matches[0], wish):
        return _lacks(drafts, wish, matches[0])
    return _works_on_nothing(wish, matches[0])


def _works_on_nothing(wish: Wish, match: Match) -> str | None:
    """Why an agent that is given texts cannot be given a wish in free words."""
    family = family_of(match.skill)
    if family.targeted and not takes_instructions(match.agent):
        return _ASK_LANGUAGE.format(kind=family.name)
    asked = wish.data or wish.mention or wish.argument.points_at
    if family.style is Style.TEXT and not asked:
        # Nobody works on the words of the wish itself.
        return f"I did not understand “{agents.short(wish.request)}”: {NOT_UNDERSTOOD}"
    return None


def _lacks(drafts: Drafts, wish: Wish, match: Match) -> str | None:
    """What a wish of a known kind does not say, in a sentence; None when nothing is missing."""
    kind = wish.family.name
    if wish.lacks_target:
        unknown = wish.argument.unknown_language
        asked = f"I do not know the language “{unknown}”. " if unknown else ""
        return asked + _ASK_LANGUAGE.format(kind=kind)
    if not any(text for text, _ in _pieces(drafts, wish, match)):
        what = "search for" if wish.family is SEARCH else kind
        return f"{_NOTHING} to {what} yet: say what, for example in quotation marks."
    return None


def _who(drafts: Drafts, wish: Wish) -> list[Match]:
    mention = wish.mention
    if mention is None or not mention.agent_ids:
        if mention is not None and mention.name:
            drafts.notes.append(f"No agent here is called “{mention.name}”.")
        return agents.able(drafts.profiles, wish)
    matches = agents.addressed(drafts.profiles, wish, mention.agent_ids)
    first = matches[0].agent
    if first.available and first.id not in mention.agent_ids:
        drafts.notes.append(f"“{mention.name}” is not available right now; {first.name} does it.")
    return matches


def draft(profiles: Sequence[Profile], wishes: Sequence[Wish], before: Conversation) -> Drafts:
    """Drafts the steps of all wishes, with a note for each that cannot be planned."""
    drafts = Drafts(profiles, before)
    for wish in (agents.settled(profiles, read) for read in wishes):
        if not drafts.steps and len(wishes) > 1 and (named := _only_names(before, wish)):
            drafts.last = named
            continue
        matches = _who(drafts, wish)
        own: list[Text] = [*wish.texts]
        problem = _problem(drafts, wish, matches)
        if problem is not None:
            if not (problem.startswith(_NOTHING) and drafts.lacks_text):
                drafts.notes.append(problem)
            drafts.lacks_text |= problem.startswith(_NOTHING) or not drafts.steps
            drafts.last = own or drafts.last
        else:
            _add(drafts, wish, matches)
        if drafts.original is None and own:
            drafts.original = str(own[0])
    return drafts


def _only_names(before: Conversation, wish: Wish) -> list[Text]:
    """The summary that was made before, when a wish names it: "give me the summary in Italian"."""
    summary = wish.family is SUMMARIZE and wish.lacks_text
    named = summary and has("the_summary", fold(wish.request[: agents.LONGEST_QUOTE]))
    return [*before.made(SUMMARIZE.name)] if named else []


def _add(drafts: Drafts, wish: Wish, matches: Sequence[Match]) -> None:
    made: list[Text] = []
    pieces = list(_pieces(drafts, wish, matches[0]))
    by_name = wish.mention is not None and matches[0].agent.id in wish.mention.agent_ids
    for text, target in pieces:
        if len(drafts.steps) == MAX_STEPS:
            drafts.truncated = True
            break
        options = dict(wish.argument.options)
        able_to = list(matches)
        if target is not None:
            options["target_language"] = target
            able_to.sort(key=lambda match: not takes_language(match.agent, target))
        made.append({RESULT_KEY: len(drafts.steps)})
        drafts.steps.append(Draft(tuple(matches if by_name else able_to), text, options, by_name))
    if made:
        drafts.last = [text for text, _ in pieces] if wish.family.tells_about else made
        drafts.results += made
        drafts.made |= dict.fromkeys([*stems_of(matches[0].skill), wish.family.name], made)
