"""Rules of a turn, without I/O: from a plan to orders, from outcomes to an answer and a bill."""

import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field

from contracts.base import Id, Model
from contracts.chat import CostBreakdown, CostLine
from contracts.orders import StepSpec
from contracts.task import RESULT_KEY, FailureReason, StepBill

MAX_AGENTS_PER_STEP = 3
"""Agents that a step is given to, one after the other, before it is given up."""

REPLACEABLE: frozenset[FailureReason] = frozenset(
    {
        "agent_unreachable",
        "agent_busy",
        "agent_too_slow",
        "agent_error",
        "agent_refused_payload",
        "agent_refused_price",
        "agent_unknown",
    }
)
"""Failures after which another agent of the same skill may do better."""


class Choice(Model):
    """An agent that can do a step, with the payload in the form that it expects."""

    agent_id: Id
    agent_name: str
    payload: dict[str, Any]


class Work(Model):
    """One step of a turn, from plan to outcome.

    Attributes:
        choices: agents that can do it, best first.
        attempt: which of them has it now.
        depends_on: indexes of earlier steps whose results it uses; in the payloads,
            `{"$result": <index>}` stands for one.
        troubles: what went wrong with agents before this one, for the answer.
    """

    skill: str
    choices: list[Choice] = Field(min_length=1)
    depends_on: list[int] = Field(default_factory=list)
    attempt: int = 0
    status: Literal["open", "completed", "failed"] = "open"
    result: str | None = None
    error: str | None = None
    troubles: list[str] = Field(default_factory=list)

    @property
    def agent(self) -> Choice:
        """The agent that has the step now."""
        return self.choices[self.attempt]


class Progress(Model):
    """Where a turn stands."""

    orchestrator: str
    works: list[Work]
    notes: list[str] = Field(default_factory=list)
    required_skills: list[str] = Field(default_factory=list)

    def over(self) -> bool:
        """Whether nothing can go on: each step is done, failed, or waits for a failed one."""
        return all(work.status != "open" or self._stuck(work) for work in self.works)

    def succeeded(self) -> bool:
        """Whether every step is done."""
        return all(work.status == "completed" for work in self.works)

    def _stuck(self, work: Work) -> bool:
        return any(
            self.works[i].status == "failed"
            or (self.works[i].status == "open" and self._stuck(self.works[i]))
            for i in work.depends_on
        )


def task_id_of(turn_id: str) -> str:
    """The id of a turn's task: derived, so that ordering it twice is ordering it once."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{turn_id}/task").hex


def message_id_of(turn_id: str) -> str:
    """The id of the message that began a turn: derived, so that posting it twice is once."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{turn_id}/message").hex


def step_id_of(turn_id: str, index: int, attempt: int) -> str:
    """The id of a turn's step, as its n-th agent gets it."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{turn_id}/{index}/{attempt}").hex


def find_work(progress: Progress, turn_id: str, step_id: str) -> int | None:
    """Which step of the turn has this id now; None for one that was replaced."""
    for index, work in enumerate(progress.works):
        if step_id_of(turn_id, index, work.attempt) == step_id:
            return index
    return None


def spec(progress: Progress, turn_id: str, index: int) -> StepSpec:
    """The order for a step, as the agent that has it now gets it."""
    work = progress.works[index]
    ids = {i: step_id_of(turn_id, i, progress.works[i].attempt) for i in range(len(progress.works))}
    return StepSpec(
        id=ids[index],
        agent_id=work.agent.agent_id,
        skill=work.skill,
        payload=_with_ids(work.agent.payload, ids),
        depends_on=[ids[i] for i in work.depends_on],
        replaces=step_id_of(turn_id, index, work.attempt - 1) if work.attempt else None,
    )


def _with_ids(value: Any, ids: dict[int, str]) -> Any:
    if isinstance(value, dict):
        # An agent's own field may be called so; what a person typed is a text, and no index.
        if set(value) == {RESULT_KEY} and isinstance(value[RESULT_KEY], int):
            return {RESULT_KEY: ids[value[RESULT_KEY]]}
        return {key: _with_ids(item, ids) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_ids(item, ids) for item in value]
    return value


def with_work(progress: Progress, index: int, **changes: object) -> Progress:
    """The progress with one step changed."""
    works = list(progress.works)
    works[index] = works[index].model_copy(update=changes)
    return progress.model_copy(update={"works": works})


def after_failure(
    progress: Progress, index: int, reason: FailureReason, error: str
) -> tuple[Progress, bool]:
    """The progress after an agent failed with a step.

    Returns:
        The progress, and whether another agent takes the step over.
    """
    work = progress.works[index]
    following = work.attempt + 1
    if reason in REPLACEABLE and following < min(len(work.choices), MAX_AGENTS_PER_STEP):
        trouble = f"{work.agent.agent_name}: {error}"
        changed = with_work(progress, index, attempt=following, troubles=[*work.troubles, trouble])
        return changed, True
    return with_work(progress, index, status="failed", error=error), False


def answer(progress: Progress) -> tuple[str, str | None]:
    """What the assistant says at the end of a turn.

    Returns:
        The message, and the result that a follow-up may refer to.
    """
    done = [work for work in progress.works if work.status == "completed"]
    used = {i for work in done for i in work.depends_on}
    shown = [w for i, w in enumerate(progress.works) if w.status == "completed" and i not in used]
    parts = []
    if len(shown) == 1 and progress.succeeded():
        parts.append(shown[0].result or "")
    else:
        parts += [f"{w.agent.agent_name} ({w.skill}):\n{w.result}" for w in shown]
    parts += [_trouble(work) for work in progress.works if work.troubles]
    parts += [_failure(progress, work) for work in progress.works if work.status != "completed"]
    parts += progress.notes
    text = "\n\n".join(part for part in parts if part.strip())
    return text or "The agents had nothing to say.", shown[-1].result if shown else None


def _trouble(work: Work) -> str:
    what = "; ".join(work.troubles)
    if work.status == "completed":
        return f"({work.agent.agent_name} took over: {what})"
    return f"({what})"


def _failure(progress: Progress, work: Work) -> str:
    if work.status == "failed":
        return f"I could not {work.skill}: {work.error}"
    if all(progress.works[i].status == "completed" for i in work.depends_on):
        return f"I did not finish {work.skill}."
    return f"I did not get to {work.skill}, because it needed what came before."


def bill(steps: Iterable[StepBill]) -> CostBreakdown | None:
    """What was charged, per agent by display name; None when nobody did any work."""
    costs: dict[str, Decimal] = {}
    for step in steps:
        if step.status == "completed":
            spent = step.cost + step.external_cost
            costs[step.agent_name] = costs.get(step.agent_name, Decimal(0)) + spent
    if not costs:
        return None
    return CostBreakdown(
        subtasks=[CostLine(agent=name, cost=cost) for name, cost in costs.items()],
        total=sum(costs.values(), Decimal(0)),
    )
