"""What may become of a listing, without I/O."""

from typing import Any, Literal

from contracts.errors import Conflict, Invalid
from contracts.registry import AgentState
from registry_svc.domain import Agent

By = Literal["owner", "admin"]
"""Who changes it."""
_NEXT: dict[AgentState, frozenset[AgentState]] = {
    "draft": frozenset({"active", "retired"}),
    "active": frozenset({"suspended", "retired"}),
    "suspended": frozenset({"active", "retired"}),
    "retired": frozenset(),
}


def gone(agent: Agent) -> bool:
    """Whether it is over: nothing of it changes any more."""
    return agent.state == "retired"


def may_become(was: Agent, wanted: AgentState | None, by: By, reason: str | None) -> dict[str, Any]:
    """The columns of another state; none when it is in that state.

    What an admin suspended, an admin resumes.

    Raises:
        Conflict: it cannot become that.
        Invalid: it is to be suspended without a reason.
    """
    if wanted is None:
        return {}
    bars = wanted == "suspended" and by == "admin" and not was.barred
    if wanted == was.state and not bars:
        return {}
    if wanted == "suspended" and not reason:
        raise Invalid("reason: say why it is suspended.")
    if wanted != was.state and wanted not in _NEXT[was.state]:
        raise Conflict(f"An agent that is {was.state} cannot become {wanted}.")
    if wanted == "active" and was.barred and by != "admin":
        raise Conflict(f"An administrator suspended this agent: {was.state_reason}")
    return {"state": wanted, "state_reason": reason, "barred": bars}
