"""Work for agents without a step behind it, and what was noted of it."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from task_svc.credentials import Credential
from task_svc.domain import Quote
from task_svc.protocols.job import Job, Operation, Progress


@dataclass
class Noted:
    """Notes that are kept in lists."""

    kept: list[Operation] = field(default_factory=list)
    told: list[Progress] = field(default_factory=list)

    async def keep(self, operation: Operation) -> None:
        self.kept.append(operation)

    async def tell(self, progress: Progress) -> None:
        self.told.append(progress)


def job(
    url: str,
    payload: dict[str, Any] | None = None,
    *,
    notes: Noted | None = None,
    limit_s: float = 60.0,
    patience_s: float = 60.0,
    trace: str | None = None,
    operation: Operation | None = None,
    again: bool = False,
    credential: Credential | None = None,
    **quote: Any,
) -> Job:
    """Work for the agent at `url`."""
    known = {
        "agent_name": "Agent",
        "endpoint_url": url,
        "skills": ["general"],
        "base_price": Decimal("0.1"),
        "dynamic_price": Decimal("0.1"),
    }
    return Job(
        agent_id="agent-1",
        quote=Quote.model_validate(known | quote),
        payload={"text": "hi"} if payload is None else payload,
        key="step-1",
        traceparent=trace,
        subtask_type="general",
        again=again,
        operation=operation,
        limit_s=limit_s,
        patience_s=patience_s,
        notes=notes or Noted(),
        credential=credential,
    )
