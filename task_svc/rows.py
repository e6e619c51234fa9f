"""Rows of the hot path as what they are: their columns in the order of the tables."""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from contracts.task import TaskStatus


class Task(NamedTuple):
    """A row of `tasks`; and whether its turn was cancelled before it was made."""

    id: str
    account: str
    user_query: str
    required_skills: list[str]
    done_skills: list[str]
    status: TaskStatus
    max_budget: Decimal
    total_cost: Decimal
    open_steps: int
    turn_id: str | None
    former_turns: list[str]
    cancelled_at: datetime | None
    created_at: datetime
    completed_at: datetime | None
    ask_at: datetime | None
    cancelled_before: bool = False


class Step(NamedTuple):
    """A row of `steps`. What is told of its end is None before that."""

    seq: int
    id: str
    task_id: str
    account: str
    turn_id: str | None
    agent_id: str
    skill: str
    subtask_type: str
    status: Any
    payload: dict[str, Any]
    depends_on: list[str]
    waits_for: int
    max_price: Decimal | None
    max_budget: Decimal
    replaces: str | None
    negotiation_id: str | None
    reply_to: str | None
    quote: Any
    cause: Any
    cost: Decimal
    external_cost: Decimal
    requires_external_tool: bool
    billed: Decimal | None
    vendor: str | None
    result: Any
    execution_time: Any
    reason: Any
    error: Any
    attempts: int
    failures: int
    lease_owner: str | None
    lease_until: datetime | None
    next_attempt_at: datetime
    created_at: datetime
    completed_at: datetime | None
    aged: bool
    operation: Any
