"""Plans of an orchestrator, as tests write them."""

from decimal import Decimal
from typing import Any

from contracts.orders import FinishTask, StartTask, StepSpec
from contracts.task import RESULT_KEY
from tests.support.scripted_agent import Behaviour, answers


def spec(id_: str, agent_id: str, payload: dict[str, Any] | None = None, **more: Any) -> StepSpec:
    return StepSpec.model_validate(
        {"id": id_, "agent_id": agent_id, "skill": "general", "payload": payload or {}} | more
    )


def start(task_id: str, *steps: StepSpec, budget: str = "10") -> StartTask:
    return StartTask(
        task_id=task_id,
        turn_id=f"turn-{task_id}",
        user_query="do it all",
        required_skills=[],
        max_budget=Decimal(budget),
        steps=list(steps),
    )


def stop(task_id: str) -> FinishTask:
    """What is ordered for a task of `start` when the person cancels its turn."""
    return FinishTask(
        task_id=task_id,
        turn_id=f"turn-{task_id}",
        outcome="failed",
        note="You cancelled this.",
        cancelled=True,
    )


def result_of(step_id: str) -> dict[str, str]:
    return {RESULT_KEY: step_id}


def wraps(letter: str, cost: float = 0.1) -> Behaviour:
    """Answers `letter(text)`, so that a result tells its whole history."""
    return answers(lambda payload: f"{letter}({payload['text']})", cost)


def bill(said: dict[str, Any]) -> Decimal:
    """What the bill in a task's last event adds up to."""
    lines = said["bill"]
    return sum((Decimal(one["cost"]) + Decimal(one["externalCost"]) for one in lines), Decimal(0))
