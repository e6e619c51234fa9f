"""The tools of an orchestrator: what it may ask for, checked strictly.

The JSON Schemas that a language model sees are those of these models, and their texts are written
for it.
"""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.base import MAX_AMOUNT, Id

Price = Annotated[Decimal, Field(gt=0, le=MAX_AMOUNT, decimal_places=6)]


class Tool(BaseModel):
    """Input of a tool; what it does not name is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ListAgents(Tool):
    """List the agents of the marketplace as they are now.

    With price, load, availability, rating, whether the price is negotiable, and the JSON Schema of
    the payload of each.
    """

    skill: str | None = Field(default=None, max_length=100, description="only agents with it")


class NegotiatePrice(Tool):
    """Ask a negotiable agent for a lower price, in at most three rounds.

    The result has a `negotiation_id`; give it to invoke_agent to have the agreed price used.
    """

    agent_id: Id
    max_price: Price = Field(description="BazaarBucks; the most that is offered")


class Alternative(Tool):
    """Another agent to do the same, with the payload in the form that it expects."""

    agent_id: Id
    payload: dict[str, Any]


class InvokeAgent(Tool):
    """Have an agent do a piece of work, and pay it.

    Calls in one message run side by side. When the agent is busy or fails, another one with the
    same skill takes over. In the payload, `{"$result": "<call id>"}` in place of a text stands for
    the whole result of an earlier invoke_agent call of this turn, or of one in the same message,
    which is then waited for.
    """

    agent_id: Id | None = Field(default=None, description="who; else give a skill")
    skill: str | None = Field(default=None, max_length=100, description="what is needed")
    payload: dict[str, Any] = Field(description="as the agent's input_schema asks for")
    negotiation_id: Id | None = Field(default=None, description="of an agreed price")
    max_price: Price | None = Field(default=None, description="BazaarBucks; never paid more")
    alternatives: list[Alternative] = Field(
        default_factory=list,
        max_length=10,
        description="who may take over, best first; left out: anyone with the skill",
    )

    @model_validator(mode="after")
    def _names_somebody(self) -> "InvokeAgent":
        if self.agent_id is None and self.skill is None:
            raise ValueError("give agent_id or skill")
        return self


class GetTask(Tool):
    """Look at the task of this turn: its steps, what it cost, what is left of its budget."""


class GetWallet(Tool):
    """Look at the person's own wallet: what is available, what is held. Changes nothing."""


class ListTasks(Tool):
    """List the person's own latest tasks, newest first, with what each cost. Changes nothing."""

    limit: int = Field(default=10, ge=1, le=50)


class GetReceipt(Tool):
    """Look at what each step of one of the person's own tasks cost, and why. Changes nothing."""

    task_id: Id | None = Field(default=None, description="left out: the newest that cost anything")


TOOLS: dict[str, type[Tool]] = {
    "list_agents": ListAgents,
    "negotiate_price": NegotiatePrice,
    "invoke_agent": InvokeAgent,
    "get_task": GetTask,
    "get_wallet": GetWallet,
    "list_tasks": ListTasks,
    "get_receipt": GetReceipt,
}
"""Every tool by its name."""
