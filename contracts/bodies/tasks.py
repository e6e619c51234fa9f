"""Bodies about tasks: a new one, a call to an agent, a quote for it, and stars."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, JsonValue

from contracts.base import Id
from contracts.bodies.amounts import AskedMoney
from contracts.bodies.base import Body, MaybeId, Skill, Words, such_as
from contracts.quotes import QuoteId


class NewTask(
    Body,
    json_schema_extra=such_as(
        userQuery="Translate my letter.", requiredSkills=["translate"], maxBudget=5
    ),
):
    """Body of POST /api/tasks."""

    user_query: Words
    required_skills: list[Skill] = Field(default_factory=list, max_length=50)
    max_budget: AskedMoney | None = None


class Invocation(
    Body,
    json_schema_extra=such_as(agentId="translator", payload={"text": "hello"}, maxPrice="0.5"),
):
    """Body of POST /api/invoke-agent; an empty `taskId` is as good as none.

    Exactly one says whom: `agentId`, or a `skill`, for which the best agent is chosen. `quoteId`
    says whose quote it is, so that both may be left out beside it.
    """

    agent_id: Id | None = None
    skill: Skill | None = None
    task_id: MaybeId = None
    payload: dict[str, JsonValue]
    max_price: AskedMoney | None = None
    quote_id: QuoteId | None = None


class NewQuote(Body, json_schema_extra=such_as(agentId="translator", payload={"text": "hello"})):
    """Body of POST /api/quotes; an agent that bills by size needs the payload.

    `agentId`, or a `skill`, for which the best agent is chosen.
    """

    agent_id: Id | None = None
    skill: Skill | None = None
    payload: dict[str, JsonValue] | None = None


def _whole(said: Any) -> Any:
    """To JSON, 4.0 is a whole number as well."""
    return int(said) if isinstance(said, float) and said.is_integer() else said


class Stars(Body, json_schema_extra=such_as(stars=5)):
    """Body of POST /api/tasks/{id}/rating."""

    stars: Annotated[
        Annotated[int, Field(ge=1, le=5, strict=True)],
        BeforeValidator(_whole),
    ]
