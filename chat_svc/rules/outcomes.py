"""Reads the results of tools. What agents say in them is text, and nothing else."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chat_svc.orchestrator import Round, ToolCall, ToolResult
from chat_svc.planner import RESULT_KEY

_LONGEST_ERROR = 500


class Outcome(BaseModel):
    """What came of an invoke_agent call.

    Attributes:
        agent: display name of the agent that had it last.
        skill: what the agent was asked for.
        result: what the agent said; untrusted.
        troubles: what went wrong with agents before this one.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    agent: str = ""
    skill: str | None = None
    status: Literal["completed", "failed"] = "failed"
    result: str | None = None
    error: str | None = None
    troubles: list[str] = Field(default_factory=list)


def _outcome(result: ToolResult) -> Outcome:
    try:
        return Outcome.model_validate_json(result.content)
    except ValidationError:
        # What a tool refuses before any agent has it may be told in plain words.
        return Outcome(status="failed", error=result.content[:_LONGEST_ERROR])


def outcomes(done: Round) -> dict[str, Outcome]:
    """What came of each call of a round, by its id; a call that was stopped has none."""
    return {result.call_id: _outcome(result) for result in done.results}


def needs(call: ToolCall) -> set[str]:
    """Ids of the calls whose results the call's payload takes in."""
    return set(_references(call.input.get("payload")))


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        if set(value) == {RESULT_KEY} and isinstance(value[RESULT_KEY], str):
            return [value[RESULT_KEY]]
        return [id_ for item in value.values() for id_ in _references(item)]
    if isinstance(value, list):
        return [id_ for item in value for id_ in _references(item)]
    return []
