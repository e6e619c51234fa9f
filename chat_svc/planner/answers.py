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
from chat_svc.planner.wish import TRANSLATE
from chat_svc.planner.zones import is_prose

_LONGEST_QUESTION = 300
_MOST_LINES = 25
_MOST_SKILLS = 8


def skills_of(agent: Candidate) -> str:
    """The skills of an agent for people; its capabilities when it lists no skills."""
    words = agent.skills or agent.capabilities
    shown = [word.replace("_", " ") for word in words[:_MOST_SKILLS]]
    return ", ".join(shown) or "no skills listed"


def offer(profiles: Sequence[Profile]) -> str:
    """One sentence that says what the agents can do."""
    if not profiles:
        return "There is no agent in the marketplace right now."
    parts = [f"{one.agent.name} ({skills_of(one.agent)})" for one in profiles[:_MOST_LINES]]
    more = len(profiles) - len(parts)
    rest = f", and {more} more" if more else ""
    return f"The agents here can do this: {'; '.join(parts)}{rest}."


def _line(agent: Candidate) -> str:
    state = "available" if agent.available else "not available right now"
    return f"- {agent.name}: {skills_of(agent)}; {money(price(agent))} a call, {state}"


def _lines(agents: Sequence[Candidate]) -> str:
    lines = [_line(agent) for agent in agents[:_MOST_LINES]]
    more = len(agents) - len(lines)
    return "\n".join([*lines, f"and {more} more."] if more else lines)


def _everything(profiles: Sequence[Profile]) -> str:
    if not profiles:
        return offer(profiles)
    one = len(profiles) == 1
    head = "There is one agent:" if one else f"There are {len(profiles)} agents:"
    return f"{head}\n{_lines([profile.agent for profile in profiles])}"


def _help(profiles: Sequence[Profile]) -> str:
    return (
        "Say what you would like done, for example “Translate 'hello' to Spanish” or"
        " “Search for solar energy and summarize it”, and the agents that can do it are called."
        f"\n{_everything(profiles)}"
    )


def able(profiles: Sequence[Profile], what: str) -> list[Candidate]:
    """Agents that can do what folded words say, best first."""
    family = next(filter(None, map(family_of, words_of(what[:_LONGEST_QUESTION]))), None)
    if family is not None:
        return [match.agent for match in for_family(profiles, family)]
    return [match.agent for match in for_words(profiles, what)]


def _who(profiles: Sequence[Profile], what: str) -> str:
    agents = able(profiles, what)
    asked = what.strip(" ?!.")[:80]
    if not agents:
        return f"No agent here can do that (“{asked}”). {offer(profiles)}"
    return f"For “{asked}” there is:\n{_lines(agents)}"


def _priced(profiles: Sequence[Profile], names: Names, question: str) -> str | None:
    """The answer to a question for a price, None when it is not about an agent's."""
    telling = [word for word in words_of(question) if stem(word) not in word_set("price_words")]
    about = [word for word in telling if stem(word) not in word_set("about_all")]
    if not about or not profiles:
        return by_price([one.agent for one in profiles]) if profiles else offer(profiles)
    able_to = able(profiles, " ".join(about))
    if able_to and form("cheap").search(question):
        return by_price(able_to)
    by_name = _named(profiles, names, " ".join(about))
    return by_price(by_name or able_to) if by_name or able_to else None


def by_price(agents: Sequence[Candidate], *, dearest: bool = False) -> str:
    """What the agents ask for, those that are available first."""
    found = sorted(agents, key=lambda agent: (not agent.available, price(agent)), reverse=dearest)
    if len(found) == 1:
        return _line(found[0])
    order = "dearest" if dearest else "cheapest"
    return f"Prices per call now, {order} first:\n{_lines(found)}"


def _named(profiles: Sequence[Profile], names: Names, who: str) -> list[Candidate]:
    ids = names.meant(who)
    return [one.agent for one in profiles if one.agent.id in ids]


def _about_one(profiles: Sequence[Profile], names: Names, question: str) -> str | None:
    called = names.exactly(question.strip(" ?!."))
    if called:
        return _lines([one.agent for one in profiles if one.agent.id in called])
    for pattern in (form("status"), form("about_one")):
        match = pattern.fullmatch(question)
        agents = _named(profiles, names, match["who"]) if match else []
        if agents:
            return "\n".join(f"{_line(agent)}\n  {agent.description[:300]}" for agent in agents)
    return None


def _in_fixed_words(profiles: Sequence[Profile], question: str) -> str | None:
    if not question or form("help").fullmatch(question):
        return _help(profiles)
    listed = form("list").fullmatch(question) or form("anyone_there").fullmatch(question)
    return _everything(profiles) if listed else None


def _on_the_market(profiles: Sequence[Profile], names: Names, question: str) -> str | None:
    """The answer to a question about what agents can do or cost."""
    if is_prose(question):
        return None
    who = form("who").match(question)
    if who:
        return _who(profiles, who["what"])
    clause = begin(question, 0, names.find)
    if clause.mention is not None or (clause.family is not None and not clause.weak):
        return None
    if form("which_languages").fullmatch(question):
        return _who(profiles, TRANSLATE.name)
    about_one = _about_one(profiles, names, question)
    if about_one is None and form("price").search(question):
        return _priced(profiles, names, question)
    return about_one


def answer(
    text: str, profiles: Sequence[Profile], names: Names, budget: Decimal, left: Decimal
) -> str | None:
    """The answer to a greeting or to a question about the marketplace, None for all else.

    `left`: BazaarBucks of the budget that are neither paid nor held.
    """
    if len(text) > _LONGEST_QUESTION:
        return None if text.strip() else _help(profiles)
    plain = read_source(text).plain.strip()
    if form("thanks").search(plain) and form("greeting").fullmatch(plain):
        return "You are welcome. Say what you would like done next."
    if form("greeting").fullmatch(plain) or not plain:
        return ("Hello! " if any(map(str.isalpha, plain)) else "") + _help(profiles)
    can_you = form("can_you").fullmatch(plain)
    if can_you:
        return _who(profiles, can_you["what"])
    question = form("courtesy").sub("", plain[skip_lead(plain, 0) :]).strip()
    if form("budget").fullmatch(question):
        rest = f"; {money(max(left, Decimal(0)))} of it is left" if left < budget else ""
        return f"The budget of a request is {money(budget)}{rest}."
    return _in_fixed_words(profiles, question) or _on_the_market(profiles, names, question)


def on_agents(profiles: Sequence[Profile], question: str) -> str:
    """Which agent is the fastest, the best rated, the cheapest or the least busy."""
    agents = [one.agent for one in profiles]
    if not agents:
        return offer(profiles)
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
    return by_price(agents, dearest=says("dear", question))
