"""One piece of work for an agent, and what can become of it at once: an answer, or a wait."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from contracts.base import Model, Moment
from task_svc.credentials import Credential
from task_svc.domain import Quote


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """What an agent answered; `cost` and `external_cost` are its bill in BazaarBucks.

    Attributes:
        execution_time: milliseconds from the first call to the answer, at least 1.
        outside: whether it was paid outside: `external_cost` is all that it gets.
    """

    result: str
    cost: Decimal
    subtask_type: str
    requires_external_tool: bool
    external_cost: Decimal
    vendor: str | None
    execution_time: int
    outside: bool = False


@dataclass(frozen=True, slots=True)
class Signed:
    """A payment to an agent that answered 402, as the header of the next request.

    Attributes:
        amount: BazaarBucks that it is worth.
        pay_to: whose address gets it.
    """

    signature: str
    amount: Decimal
    pay_to: str


Pay = Callable[[str], Awaitable[Signed]]
"""Has what a 402 asks for (`PAYMENT-REQUIRED`) signed, within the hold of the step."""


class Operation(Model):
    """Work that an agent has taken on and not ended; kept with the step, so that it is asked again.

    Attributes:
        ref: what it is asked after by: a task's id, or a path at its origin.
        began_at: when it was called for it.
        percent: with `message`, what it told last.
    """

    ref: str
    began_at: Moment
    percent: int | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an agent says that it is.

    Attributes:
        wait_s: after how long it wants to be asked again, if it says so.
    """

    percent: int | None = None
    message: str | None = None
    wait_s: float | None = None


class Notes(Protocol):
    """Where is kept what an agent says before it is done."""

    async def keep(self, operation: Operation) -> None:
        """Store where the work is asked after."""

    async def tell(self, progress: Progress) -> None:
        """Tell whoever reads along; what comes too soon after the last is left out."""


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work.

    Attributes:
        agent_id: whom it is for.
        quote: what the marketplace knows of it.
        payload: what the agent is asked to do.
        key: names the work: whoever is asked again for the same has the same key.
        traceparent: W3C trace context to pass on.
        subtask_type: what the work is called when the agent does not say.
        again: whether the agent may have been called for it before.
        operation: where it said to ask, if it did.
        limit_s: seconds that the work may take in all.
        patience_s: seconds that are waited for it before it is put aside, where it can be.
        notes: where is kept what the agent says meanwhile.
        credential: what the agent wants to see with calls.
        pay: pays the agent when it answers 402; None of one whose listing does not say so.
    """

    agent_id: str
    quote: Quote
    payload: dict[str, Any]
    key: str
    traceparent: str | None
    subtask_type: str
    again: bool
    operation: Operation | None
    limit_s: float
    patience_s: float
    notes: Notes
    credential: Credential | None = None
    pay: Pay | None = None

    def own_headers(self, url: str) -> Mapping[str, str]:
        """What goes with requests to this URL alone."""
        return self.credential.headers(url) if self.credential else {}


class Waiting(Exception):
    """The agent works on, and is to be asked again after `delay_s` seconds."""

    def __init__(self, delay_s: float) -> None:
        """Say when."""
        super().__init__("The agent works on.")
        self.delay_s = delay_s
