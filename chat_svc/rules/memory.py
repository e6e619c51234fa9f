"""What one move leaves for the next: it travels as the JSON of `Move.raw`."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from chat_svc.planner import RESULT_KEY, Candidate, Plan, PlannedStep, Text, Topic, payload_for

MAX_STAND_INS = 2
"""Agents that stand by for a call, for when the first one is busy or fails."""


class Kept(BaseModel):
    """A part of what is kept."""

    model_config = ConfigDict(frozen=True)


class Choice(Kept):
    """An agent that can do a step, at the price in BazaarBucks that was planned with."""

    agent_id: str
    agent: str
    price: Decimal
    available: bool
    payload: dict[str, Any]


class Step(Kept):
    """A step of the plan.

    Attributes:
        choices: who was chosen, then who may do it instead, best first.
        by_name: whether the person chose the agent.
        max_offer: BazaarBucks that the chosen agent may be offered; None: nothing is negotiated.
    """

    skill: str
    choices: list[Choice] = Field(min_length=1)
    by_name: bool = False
    max_offer: Decimal | None = None


class Form(Kept):
    """How a person wants a summary to look; None when nothing is said about it.

    Attributes:
        sentences: at most so many.
        points: at most so many, each on a line of its own; 0 for any number.
    """

    sentences: int | None = None
    points: int | None = None


class Remembered(Kept):
    """The plan, as it was made; later prices do not change it.

    Attributes:
        steps: none once the agents are called.
        notes: sentences that the answer ends with.
        form: of the results, when the person named one.
        about: what is asked about the account, while it is looked up.
    """

    steps: list[Step] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    about: Topic | None = None
    form: Form | None = None


def call_id(index: int) -> str:
    """The id of the call for a step of the plan."""
    return f"s{index}"


def remember(found: Plan, agents: Sequence[Candidate]) -> Remembered:
    """Makes a plan fit to be kept, with the payloads of all that may be called."""
    by_id = {agent.id: agent for agent in reversed(agents)}
    steps = [
        Step(
            skill=step.skill,
            choices=[_choice(by_id[id_], step) for id_ in _candidates(step, by_id)],
            by_name=step.by_name,
            max_offer=step.max_offer,
        )
        for step in found.steps
    ]
    return Remembered(steps=steps, notes=list(found.notes), form=_form(found))


def _form(found: Plan) -> Form | None:
    for step in found.steps:
        if {"sentences", "points"} & step.options.keys():
            return Form(sentences=step.options.get("sentences"), points=step.options.get("points"))
    return None


def _candidates(step: PlannedStep, by_id: Mapping[str, Candidate]) -> list[str]:
    """Ids of the chosen agent, the next best, and the cheapest of all that are there."""
    cheapest = sorted(
        (id_ for id_ in step.alternatives if by_id[id_].available),
        key=lambda id_: by_id[id_].dynamic_price,
    )
    return list(dict.fromkeys([step.agent_id, *step.alternatives[:MAX_STAND_INS], *cheapest[:1]]))


def _choice(agent: Candidate, step: PlannedStep) -> Choice:
    return Choice(
        agent_id=agent.id,
        agent=agent.name,
        price=max(agent.dynamic_price, Decimal(0)),
        available=agent.available,
        payload=payload_for(agent, step.skill, _with_call_id(step.text), step.options),
    )


def _with_call_id(text: Text) -> Text:
    return text if isinstance(text, str) else {RESULT_KEY: call_id(text[RESULT_KEY])}
