"""Questions about the marketplace itself, answered from the list of agents."""

from collections.abc import Sequence
from decimal import Decimal

from chat_svc.planner.agents import Names
from chat_svc.planner.clauses import begin, skip_lead
from chat_svc.planner.forms import form, word_set
from chat_svc.planner.match import Profile, family_of, for_family, for_words, price, stem, words_of
from chat_svc.planner.model import Candidate, money
from chat_svc.planner.source import read_source
from chat_svc.planner.vocabulary import says
from chat_svc.planner.wish import UNKNOWN
from chat_svc.planner.zones import is_prose

_LONGEST_QUESTION = 300
_MOST_LINES = 25
_MOST_SKILLS = 8
_NOBODY = "There is no agent in the marketplace right now."
_HELP = (
    "Say what you would like done, for example “Translate 'hello' to Spanish” or"
    " “Search for solar energy and summarize it”, and the agents that can do it are called.\n"
)


def _skills_of(agent: Candidate) -> str:
    """The skills of an agent for people; its capabilities when it lists no skills."""
    words = agent.skills or agent.capabilities
    shown = [word.replace("_", " ") for word in words[:_MOST_SKILLS]]
    return ", ".join(shown) or "no skills listed"


def offer(profiles: Sequence[Profile]) -> str:
    """One sentence that says what the agents can do."""
    if not profiles:
        return _NOBODY
    parts = [f"{one.agent.name} ({_skills_of(one.agent)})" for one in profiles[:_MOST_LINES]]
    more = len(profiles) - len(parts)
    rest = f", and {more} more" if more else ""
    return f"The agents here can do this: {'; '.join(parts)}{rest}."


def _line(agent: Candidate) -> str:
    state = "available" if agent.available else "not available right now"
    return f"- {agent.name}: {_skills_of(agent)}; {money(price(agent))} a call, {state}"


def _told(agents: Sequence[Candidate], *, dearest: bool = False) -> str:
    """Agents with their prices, those that are available first; of a single one all it says."""
    if not agents:
        return _NOBODY
    found = sorted(agents, key=lambda agent: (not agent.available, price(agent)), reverse=dearest)
    if len(found) == 1:
        return f"{_line(found[0])}\n  {found[0].description[:300]}"
    more = len(found) - _MOST_LINES
    rest = [f"and {more} more."] if more > 0 else []
    head = f"Prices per call now, {'dearest' if dearest else 'cheapest'} first:"
    return "\n".join([head, *map(_line, found[:_MOST_LINES]), *rest])


def _able(profiles: Sequence[Profile], names: Names, what: str) -> list[Candidate]:
    """Agents that can do what folded words say, or are called by them."""
    family = next((kind for kind in map(family_of, words_of(what)) if kind.known), UNKNOWN)
    able = for_family(profiles, family) if family.known else for_words(profiles, what)
    ids = () if able else names.meant(what)
    return [one.agent for one in able] or [one.agent for one in profiles if one.agent.id in ids]


def _who(profiles: Sequence[Profile], names: Names, what: str) -> str:
    agents = _able(profiles, names, what)
    asked = what.strip(" ?!.")[:80]
    return _told(agents) if agents else f"No agent here can do that (“{asked}”). {offer(profiles)}"


def _priced(profiles: Sequence[Profile], names: Names, question: str) -> str | None:
    """The answer to a question for a price, None when it is not about an agent's."""
    known = word_set("price_words") | word_set("about_all")
    about = [word for word in words_of(question) if stem(word) not in known]
    if not about:
        return _told([one.agent for one in profiles])
    ids = () if "cheap" in question else names.exactly(" ".join(about))
    agents = [one.agent for one in profiles if one.agent.id in ids]
    agents = agents or _able(profiles, names, " ".join(about))
    return _told(agents) if agents else None


def _on_the_market(profiles: Sequence[Profile], names: Names, question: str) -> str | None:
    """The answer to a question about what agents can do or cost."""
    if who := form("who").match(question):
        return _who(profiles, names, who["what"])
    clause = begin(question, 0, names.find)
    if clause.mention is not None or clause.asks:
        return None
    if form("which_languages").fullmatch(question):
        return _who(profiles, names, "translate")
    match = form("about_one").fullmatch(question)
    ids = names.meant(match["who"]) if match else names.exactly(question.strip(" ?!."))
    if ids:
        return _told([one.agent for one in profiles if one.agent.id in ids])
    return _priced(profiles, names, question) if form("price").search(question) else None


def answer(
    text: str, profiles: Sequence[Profile], names: Names, budget: Decimal, left: Decimal
) -> str | None:
    """The answer to a greeting or to a question about the marketplace, None for all else.

    `left`: BazaarBucks of the budget that are neither paid nor held.
    """
    plain = read_source(text[: _LONGEST_QUESTION + 1]).plain.strip()
    if len(plain) > _LONGEST_QUESTION:
        return None
    if form("thanks").search(plain) and form("greeting").fullmatch(plain):
        return "You are welcome. Say what you would like done next."
    if can_you := form("can_you").fullmatch(plain):
        return _who(profiles, names, can_you["what"])
    question = form("courtesy").sub("", plain[skip_lead(plain, 0) :]).strip()
    if form("budget").fullmatch(question):
        rest = f"; {money(max(left, Decimal(0)))} of it is left" if left < budget else ""
        return f"The budget of a request is {money(budget)}{rest}."
    if not question or form("greeting").fullmatch(plain) or form("list").fullmatch(question):
        return _HELP + _told([one.agent for one in profiles])
    return None if is_prose(question) else _on_the_market(profiles, names, question)


def on_agents(profiles: Sequence[Profile], question: str) -> str:
    """Which agent is the fastest, the best rated, the cheapest or the least busy."""
    agents = [one.agent for one in profiles]
    if says("fast", question):
        timed = [agent for agent in agents if agent.response_ms is not None]
        if not timed:
            return "No agent has been called yet, so nobody knows which is the fastest."
        timed.sort(key=lambda agent: agent.response_ms or 0, reverse=says("slow", question))
        lines = [f"- {one.name}: {(one.response_ms or 0) / 1000:.2f} s on average" for one in timed]
        return "\n".join(["Time that a call takes:", *lines[:_MOST_LINES]])
    if says("well", question):
        agents.sort(key=lambda agent: (-agent.rating, agent.name))
        lines = [f"- {one.name}: {one.rating.normalize():f} of 5 stars" for one in agents]
        return "\n".join(["Ratings, best first:", *lines[:_MOST_LINES]])
    return _told(agents, dearest=says("dear", question))
