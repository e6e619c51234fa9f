"""Rules of a turn, without I/O: ids, who gets a piece of work, what comes of a round, the bill."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field

from chassis.bus.envelopes import derived_id
from contracts.base import Id, Model, Money
from contracts.chat import CostBreakdown, CostLine
from contracts.orders import StepSpec
from contracts.task import RESULT_KEY, FailureReason
from contracts.task_events import StepBill

MAX_AGENTS_PER_STEP = 3
"""Agents that a piece of work is given to, one after the other, before it is given up."""
CHARGE = "charge_llm"
"""The tool that no orchestrator can use: the payment for the language model itself."""
CHARGE_ID = "llm"

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
    """An agent that can do a piece of work, with the payload in the form that it expects."""

    agent_id: Id
    agent_name: str
    payload: dict[str, Any]


class Work(Model):
    """What an agent is to do, and who has it.

    Attributes:
        choices: agents that can do it, best first.
        depends_on: ids of the calls whose results it uses; in the payloads,
            `{"$result": "<call id>"}` stands for one.
        max_price: BazaarBucks; never more is paid.
        negotiation_id: the agreement with the first choice.
        attempt: which of the choices has it now.
        troubles: what went wrong with those before, for the answer.
        finished: whether it was completed; None while nobody knows.
    """

    skill: str
    choices: list[Choice] = Field(min_length=1)
    depends_on: list[Id] = Field(default_factory=list)
    max_price: Money | None = None
    negotiation_id: Id | None = None
    attempt: int = 0
    troubles: list[str] = Field(default_factory=list)
    finished: bool | None = None

    @property
    def agent(self) -> Choice:
        """The agent that has it now."""
        return self.choices[self.attempt]


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A tool call as it is stored; `content` is None while it is open."""

    id: str
    round: int
    tool: str
    input: Mapping[str, Any]
    work: Work | None = None
    content: str | None = None
    error: bool = False

    @property
    def open(self) -> bool:
        """Whether its result is still awaited."""
        return self.content is None


def task_id_of(turn_id: str) -> str:
    """The id of a turn's task: derived, so that ordering it twice is ordering it once."""
    return derived_id(turn_id, "task")


def message_id_of(turn_id: str) -> str:
    """The id of the message that began a turn: derived, so that posting it twice is once."""
    return derived_id(turn_id, "message")


def step_id_of(turn_id: str, call_id: str, attempt: int) -> str:
    """The id of the step that carries out a call, as its n-th agent gets it."""
    return derived_id(turn_id, call_id, attempt)


def negotiation_id_of(turn_id: str, call_id: str) -> str:
    """The id of the negotiation that carries out a call."""
    return derived_id(turn_id, call_id, "negotiation")


def charge_id_of(turn_id: str) -> str:
    """The id of the payment for a turn's language model."""
    return derived_id(turn_id, CHARGE)


def find_open(turn_id: str, calls: Iterable[StoredCall], step_id: str) -> StoredCall | None:
    """The open call that a step carries out now; None when its outcome is known, or it is gone."""
    for call in calls:
        if call.open and call.work and step_id == step_id_of(turn_id, call.id, call.work.attempt):
            return call
    return None


def spec(turn_id: str, call: StoredCall, calls: Iterable[StoredCall]) -> StepSpec:
    """The order for a call's work, as the agent that has it now gets it.

    Args:
        turn_id: the turn.
        call: the call, with its work.
        calls: those of the turn that it may refer to.
    """
    work = _work_of(call)
    ids = {one.id: step_id_of(turn_id, one.id, one.work.attempt) for one in calls if one.work}
    return StepSpec(
        id=step_id_of(turn_id, call.id, work.attempt),
        agent_id=work.agent.agent_id,
        skill=work.skill,
        payload=_with_ids(work.agent.payload, ids),
        depends_on=[ids[id_] for id_ in work.depends_on],
        max_price=work.max_price,
        replaces=step_id_of(turn_id, call.id, work.attempt - 1) if work.attempt else None,
        negotiation_id=None if work.attempt else work.negotiation_id,
    )


def skills_of(calls: Iterable[StoredCall]) -> list[str]:
    """What the agents' work of these calls takes, each skill once."""
    return list(dict.fromkeys(call.work.skill for call in calls if call.work and call.work.skill))


def references(value: Any) -> list[Any]:
    """What `$result` refers to in a payload, in order; whatever it is."""
    if isinstance(value, Mapping):
        if set(value) == {RESULT_KEY}:
            return [value[RESULT_KEY]]
        return [found for item in value.values() for found in references(item)]
    if isinstance(value, list):
        return [found for item in value for found in references(item)]
    return []


def _with_ids(value: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        if set(value) == {RESULT_KEY}:
            return {RESULT_KEY: ids[value[RESULT_KEY]]}
        return {key: _with_ids(item, ids) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_ids(item, ids) for item in value]
    return value


def _work_of(call: StoredCall) -> Work:
    if call.work is None:
        raise ValueError(f"call {call.id} is no work of an agent")
    return call.work


def another_agent(call: StoredCall, reason: FailureReason, error: str) -> StoredCall | None:
    """The call with the next agent that can do it; None when it is to be given up."""
    work = _work_of(call)
    following = work.attempt + 1
    if reason not in REPLACEABLE or following >= min(len(work.choices), MAX_AGENTS_PER_STEP):
        return None
    trouble = f"{work.agent.agent_name}: {error}"
    changes = {"attempt": following, "troubles": [*work.troubles, trouble]}
    return replace(call, work=work.model_copy(update=changes))


def finished(call: StoredCall, content: str, *, well: bool) -> StoredCall:
    """A call whose work came to an end."""
    work = _work_of(call).model_copy(update={"finished": well})
    return replace(call, work=work, content=content, error=not well)


def stuck(calls: Sequence[StoredCall]) -> list[StoredCall]:
    """Open calls that wait, over however many others, for one that failed."""
    failed = {call.id for call in calls if call.work and call.work.finished is False}
    waiting = [call for call in calls if call.open and call.work]
    found: list[StoredCall] = []
    while more := [
        call
        for call in waiting
        if call not in found and failed.intersection(_work_of(call).depends_on)
    ]:
        found += more
        failed |= {call.id for call in more}
    return found


def outcome(calls: Iterable[StoredCall]) -> Literal["completed", "failed"]:
    """How a turn's task ended: well when what failed was done by another call after it."""
    works = [(call.round, call.work) for call in calls if call.work]
    done = [(round_, work.skill) for round_, work in works if work.finished]
    missed = [(round_, work.skill) for round_, work in works if not work.finished]
    made_good = all(
        any(later > round_ and skill == lacking for later, skill in done)
        for round_, lacking in missed
    )
    return "completed" if made_good and (done or not works) else "failed"


def bill(steps: Iterable[StepBill]) -> CostBreakdown | None:
    """What was charged, per agent; None when nobody did any work."""
    names: dict[str, str] = {}
    costs: dict[str, Decimal] = {}
    for step in steps:
        if step.status == "completed":
            spent = step.cost + step.external_cost
            names.setdefault(step.agent_id, step.agent_name)
            costs[step.agent_id] = costs.get(step.agent_id, Decimal(0)) + spent
    if not costs:
        return None
    return CostBreakdown(
        subtasks=[CostLine(agent=names[id_], cost=costs[id_], agent_id=id_) for id_ in costs],
        total=sum(costs.values(), Decimal(0)),
    )


def readable(text: str) -> str:
    """Text as the database and JSON can hold it: no NUL, no lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
