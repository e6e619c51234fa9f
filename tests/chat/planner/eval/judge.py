"""Runs sentences as a person would type them and judges what is paid for, by kind.

A case says which agents are to be paid in order (several ways may be right), which languages a
translation goes to, and which text the work begins with. Whoever is paid beside that was not asked
for, and is counted apart: to be wrong for nothing is bad, to be wrong for money is worse.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from agents.engines.sentences import summarize
from chat_svc.orchestrator import Exchange, Round, Situation, ToolCall, ToolResult
from chat_svc.planner import Candidate
from chat_svc.rules.moves import next_move
from tests.chat.planner.market import SIX

HERE = Path(__file__).parent
BUDGET = Decimal(1)
MOST_MOVES = 4
LANGUAGES = frozenset({"en", "es", "fr", "de", "it", "pt"})
"""What the stock translator can do without a model; it refuses the rest, and is not paid."""
_WORDS = re.compile(r"\w+")
_ACCOUNT: dict[str, dict[str, Any]] = {
    "get_wallet": {"available": "12.50", "held": "0", "owed": "0"},
    "list_tasks": {"tasks": [{"query": "Translate", "status": "completed", "cost": "0.10"}]},
    "get_receipt": {
        "total": "0.10",
        "lines": [{"agent_id": "translator", "quoted": "0.10", "charged": "0.10"}],
    },
}
"""What the tools that only look tell."""


@dataclass(frozen=True)
class Case:
    """A sentence and what is right.

    Attributes:
        agents: who is to be paid, in order; each of the ways is right.
        languages: where translations go to, in order.
        work: texts that the first step of each kind begins with; empty when any will do.
        before: what was said before it.
    """

    kind: str
    say: str
    agents: tuple[tuple[str, ...], ...]
    languages: tuple[str, ...] = ()
    work: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    budget: Decimal = BUDGET


@dataclass(frozen=True)
class Paid:
    """A call that an agent was paid for."""

    agent: str
    text: str
    language: str | None


@dataclass
class Answered:
    """What came of a turn."""

    text: str
    paid: list[Paid] = field(default_factory=list)
    exchange: Exchange | None = None


@dataclass(frozen=True)
class Verdict:
    """How a case went."""

    case: Case
    paid: tuple[Paid, ...]
    answer: str
    right: bool
    unwanted: bool


def cases(name: str) -> list[Case]:
    """The cases of a file beside this one."""
    found = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return [
        Case(
            kind=one["kind"],
            say=one["say"],
            agents=tuple(map(tuple, one["agents"])),
            languages=tuple(one.get("languages", ())),
            work=tuple(one.get("work", ())),
            before=tuple(one.get("before", ())),
            budget=Decimal(str(one.get("budget", BUDGET))),
        )
        for one in found
    ]


def judge(case: Case, agents: Sequence[Candidate] = SIX) -> Verdict:
    """Plays the case and judges it."""
    history: list[Exchange] = []
    for said in case.before:
        exchange = play(said, agents, BUDGET, history).exchange
        assert exchange is not None
        history.append(exchange)
    answered = play(case.say, agents, case.budget, history)
    right = bool(answered.text.strip()) and _is_right(case, answered.paid)
    asked = not right and any(not _asked_for(case, one) for one in answered.paid)
    return Verdict(case, tuple(answered.paid), answered.text, right, asked)


def play(
    said: str, agents: Sequence[Candidate], budget: Decimal, history: Sequence[Exchange]
) -> Answered:
    """A turn of the rules over agents that do what the stock ones do."""
    now = Situation("turn", "task", said, budget, budget, agents, tuple(history))
    paid: list[Paid] = []
    rounds: list[Round] = []
    for _ in range(MOST_MOVES):
        move = next_move(now)
        if not move.calls:
            exchange = Exchange(said, move.text, tuple(rounds), "task", move.result)
            return Answered(move.text, paid, exchange)
        results = _carry_out(move.calls, agents, paid)
        rounds.append(Round(move.text, move.calls, results, move.raw))
        now = replace(now, rounds=tuple(rounds))
    raise AssertionError(f"no answer after {MOST_MOVES} moves: {said}")


def _carry_out(
    calls: Sequence[ToolCall], agents: Sequence[Candidate], paid: list[Paid]
) -> tuple[ToolResult, ...]:
    made: dict[str, str] = {}
    results: list[ToolResult] = []
    names = {agent.id: agent.name for agent in agents}
    for call in calls:
        if call.name in _ACCOUNT:
            results.append(ToolResult(call.id, json.dumps(_ACCOUNT[call.name])))
            continue
        if call.name == "negotiate_price":
            about = {"negotiation_id": "n", "agreed": True, "list_price": call.input["max_price"]}
            about |= {"price": call.input["max_price"]}
            results.append(ToolResult(call.id, json.dumps(about)))
            continue
        payload = dict(call.input["payload"])
        for name, value in payload.items():
            if isinstance(value, dict):
                payload[name] = made.get(value["$result"])
        who = call.input["agent_id"]
        result = _do(who, payload) if None not in payload.values() else None
        about = {"agent": names[who], "skill": call.input.get("skill"), "troubles": []}
        if result is None:
            about |= {"status": "failed", "error": "it cannot be done", "reason": "agent_error"}
        else:
            made[call.id] = result
            text = next(str(payload[key]) for key in ("text", "query", "task") if key in payload)
            paid.append(Paid(who, text, payload.get("target_language")))
            about |= {"status": "completed", "result": result}
        results.append(ToolResult(call.id, json.dumps(about), error=result is None))
    return tuple(results)


def _do(who: str, payload: dict[str, Any]) -> str | None:
    """What the agent says; None when it refuses."""
    if who == "translator" and "target_language" in payload:
        tag = str(payload["target_language"]).split("-")[0]
        return f"[{tag}] {payload['text']}" if tag in LANGUAGES else None
    if who == "summarizer":
        return summarize(payload["text"], payload.get("max_length", 100))
    if who == "search":
        count = min(payload.get("num_results", 3), 3)
        hits = [f"{i}. Hit {i}: about {payload['query']} (source: x{i})" for i in range(1, 4)]
        return "\n\n".join([*hits[:count], "Searched: a local index."])
    return f"done: {payload}"


def _is_right(case: Case, paid: Sequence[Paid]) -> bool:
    agents = tuple(one.agent for one in paid)
    languages = [one.language.split("-")[0] for one in paid if one.language]
    if agents not in case.agents:
        return False
    if not paid:
        return True
    if case.languages and tuple(languages) != case.languages:
        return False
    if not case.work:
        return True
    texts = [one.text for one in paid[: len(case.work)]]
    return all(_same(one, work) for one, work in zip(texts, case.work, strict=False))


def _asked_for(case: Case, one: Paid) -> bool:
    if not any(one.agent in way for way in case.agents):
        return False
    if one.language and case.languages and one.language.split("-")[0] not in case.languages:
        return False
    begins = next((way[0] for way in case.agents if way), None)
    first = not one.text.startswith("[") and one.agent == begins
    return not (first and case.work) or any(_same(one.text, work) for work in case.work)


_QUESTION = frozenset(["what", "is", "are", "how", "why", "who", "the", "a", "an", "about", "of"])


def _same(text: str, wanted: str) -> bool:
    """Whether a text is the wanted one but for marks at its edges and small words of a question."""
    said = [word.casefold() for word in _WORDS.findall(text)]
    want = [word.casefold() for word in _WORDS.findall(wanted)]
    return said == want or [w for w in said if w not in _QUESTION] == [
        w for w in want if w not in _QUESTION
    ]
