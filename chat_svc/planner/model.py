"""What goes into a plan and what comes out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from chat_svc.planner.account import Topic
from contracts.chat import Refused

MAX_STEPS = 8
"""Steps that one plan may have."""

MAX_ALTERNATIVES = 10
"""Agents that stand by for one step."""

RESULT_KEY = "$result"
"""In a payload, `{"$result": 0}` stands for the result of the plan's step 0."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent as the planner sees it.

    Attributes:
        base_price: BazaarBucks per call when idle.
        dynamic_price: BazaarBucks per call now.
        load: concurrent tasks out of ten.
        rating: 0 to 5 stars.
        input_schema: JSON Schema of its /execute payload, None when it publishes none.
        negotiable: whether it says that its price can be negotiated.
        response_ms: how long its calls take on average; None when nobody knows.
        score: 0 to 1, the marketplace's own: of those that can do the same, the higher is tried
            first.
    """

    id: str
    name: str
    description: str
    skills: tuple[str, ...]
    capabilities: tuple[str, ...]
    base_price: Decimal
    dynamic_price: Decimal
    load: int
    rating: Decimal
    available: bool
    input_schema: Mapping[str, Any] | None
    negotiable: bool = False
    response_ms: int | None = None
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Made:
    """What an agent made in an earlier turn of the conversation.

    Attributes:
        text: what it said.
        skill: the skill word of the step.
        source: the text that it was made from, None when that is not known.
        shown: whether it was part of the answer, and not only taken in by another step.
    """

    text: str
    skill: str
    source: str | None = None
    shown: bool = True


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier turn of the conversation.

    Attributes:
        said: what the person typed.
        result: what "it" means after that turn; None when the turn came to nothing.
        made: results of its steps, in order.
    """

    said: str
    result: str | None = None
    made: tuple[Made, ...] = ()


Text = str | Mapping[str, Any]
"""What a step works on: words, or `{"$result": ...}` for the result of an earlier step."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One call of one agent.

    Attributes:
        skill: the skill word of the chosen agent that this step needs.
        agent_id: first choice; available when the plan was made.
        alternatives: other agents that can do it, best first, unavailable ones last.
        payload: plain JSON for the chosen agent; `{"$result": i}` stands for step i's result.
        depends_on: indexes of earlier steps whose results it needs.
        text: what it works on, as given to `payload_for` (to make an alternative's payload).
        options: as given to `payload_for`.
        by_name: whether the person chose the agent, so that no cheaper one may replace it.
        max_offer: BazaarBucks that the agent is to be offered at most, before the work; None
            when its price is taken as it is.
    """

    skill: str
    agent_id: str
    alternatives: tuple[str, ...]
    payload: Mapping[str, Any]
    depends_on: tuple[int, ...]
    text: Text = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    by_name: bool = False
    max_offer: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps to run, or an answer when nobody is to be called; always one of the two.

    Attributes:
        steps: in order; empty when nobody is called.
        reply: the whole answer when there are no steps, else None.
        notes: plain sentences to show beside the result.
        required_skills: skill words of the steps, each once.
        about: what is asked about the person's own account, to be looked up; the reply stands in
            when that cannot be done.
        refused: why nobody is called for what was wished; None when only a reply was wished.
    """

    steps: tuple[PlannedStep, ...] = ()
    reply: str | None = None
    notes: tuple[str, ...] = ()
    required_skills: tuple[str, ...] = ()
    about: Topic | None = None
    refused: Refused | None = None


def money(amount: Decimal) -> str:
    """An amount for people: two decimals, up to four where they matter ("0.0575 BazaarBucks")."""
    whole, _, cents = format(amount, ".4f").partition(".")
    return f"{whole}.{cents.rstrip('0').ljust(2, '0')} BazaarBucks"
