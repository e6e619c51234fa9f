"""How the tables say which steps a sentence is planned into."""

from dataclasses import dataclass
from typing import Any

from chat_svc.planner import Plan


@dataclass(frozen=True)
class Step:
    skill: str
    agent: str
    payload: dict[str, Any]
    after: tuple[int, ...] = ()


Case = tuple[str, list[Step]]


def _on(value: str | int, **options: object) -> tuple[Any, tuple[int, ...], dict[str, object]]:
    if isinstance(value, int):
        return {"$result": value}, (value,), options
    return value, (), options


def tr(value: str | int, language: str, **options: object) -> Step:
    """The translator on a text, or on the result of a step."""
    text, after, more = _on(value, **options)
    return Step(
        "translate", "translator", {"text": text, "target_language": language, **more}, after
    )


def su(value: str | int, **options: object) -> Step:
    """The summarizer on a text, or on the result of a step."""
    text, after, more = _on(value, **options)
    return Step("summarize", "summarizer", {"text": text, **more}, after)


def se(value: str | int, **options: object) -> Step:
    """The search agent for a subject, or for the result of a step."""
    query, after, more = _on(value, **options)
    return Step("search", "search", {"query": query, **more}, after)


def task(skill: str, agent: str, words: str) -> Step:
    """An agent that is told in words what to do."""
    return Step(skill, agent, {"task": words})


def steps_of(plan: Plan) -> list[Step]:
    return [
        Step(step.skill, step.agent_id, dict(step.payload), step.depends_on) for step in plan.steps
    ]
