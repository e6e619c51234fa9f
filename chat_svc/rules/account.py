"""Answers questions about the account from tools that only look: nothing is bought for them."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chat_svc.orchestrator import Exchange, Round, ToolCall
from chat_svc.planner import Candidate, Topic, money
from chat_svc.rules.outcomes import outcomes

_ONE = re.compile(
    r"\b(?:that|this|it|last|das|letzten?|eso|esto|ultim[oa]|ca|cela|derni\w+|questo|isso)\b",
    re.IGNORECASE,
)
_SHOWN = 10
_LONGEST_QUERY = 60
HOW_TO_REFUND = (
    "Nothing was refunded by asking me. What was paid for a step is given back with"
    " POST /api/payments/bazaarbucks/{paymentId}/refund; the receipt names each payment."
)


class _Seen(BaseModel):
    """A part of what a tool told."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Wallet(_Seen):
    available: Decimal
    held: Decimal
    owed: Decimal = Decimal(0)


class _Task(_Seen):
    query: str
    status: str
    cost: Decimal
    at: str = ""


class _Tasks(_Seen):
    tasks: list[_Task]


class _Line(_Seen):
    agent_id: str
    quoted: Decimal
    charged: Decimal
    external: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)


class _Receipt(_Seen):
    total: Decimal
    lines: list[_Line] = Field(default_factory=list)


def asked(topic: Topic, said: str, history: Sequence[Exchange]) -> tuple[ToolCall, ...]:
    """The tools that a question about the account is answered from."""
    if topic is Topic.BALANCE:
        return (ToolCall("a0", "get_wallet", {}),)
    paid = _last_paid(history)
    one = topic in (Topic.PRICE, Topic.REFUND) or _ONE.search(said) is not None
    if topic is Topic.TASKS or (not one and topic is Topic.SPENDING):
        return (ToolCall("a0", "list_tasks", {"limit": _SHOWN}),)
    return (ToolCall("a0", "get_receipt", {"task_id": paid} if paid else {}),)


def _last_paid(history: Sequence[Exchange]) -> str | None:
    """The task of the newest turn in which an agent did its work."""
    for turn in reversed(history):
        found = [one for done in turn.rounds for one in outcomes(done).values()]
        if turn.task_id is not None and any(one.status == "completed" for one in found):
            return turn.task_id
    return None


def told(topic: Topic, done: Round, agents: Sequence[Candidate]) -> str | None:
    """The answer; None when the tool had none."""
    content = done.results[0].content if done.results and not done.results[0].error else ""
    names = {agent.id: agent.name for agent in agents}
    if topic is Topic.BALANCE:
        return _read(_Wallet, content, _on_wallet)
    tool = done.calls[0].name
    if tool == "list_tasks":
        return _read(_Tasks, content, _on_tasks)
    answer = _read(_Receipt, content, lambda receipt: _on_receipt(receipt, names))
    if topic is Topic.REFUND:
        return "\n\n".join(filter(None, [answer, HOW_TO_REFUND]))
    return answer or "Nothing that you asked for has cost anything yet."


def _read(model: Any, content: str, tell: Any) -> str | None:
    try:
        return str(tell(model.model_validate_json(content)))
    except ValidationError:
        return None


def _on_wallet(wallet: _Wallet) -> str:
    said = [f"You have {money(wallet.available)} to spend."]
    if wallet.held:
        said.append(f"{money(wallet.held)} more is set aside for work that is under way.")
    if wallet.owed:
        said.append(f"{money(wallet.owed)} is owed and is paid first.")
    return " ".join(said)


def _on_tasks(found: _Tasks) -> str:
    if not found.tasks:
        return "You have no tasks yet, and have spent nothing."
    total = sum((one.cost for one in found.tasks), Decimal(0))
    lines = [
        f"- {' '.join(one.query.split())[:_LONGEST_QUERY]}: {one.status}, {money(one.cost)}"
        f"{', ' + one.at if one.at else ''}"
        for one in found.tasks
    ]
    head = f"Your last {len(lines)} tasks cost {money(total)} in all, newest first:"
    return "\n".join([head if len(lines) > 1 else "Your last task:", *lines])


def _on_receipt(receipt: _Receipt, names: dict[str, str]) -> str:
    lines = [_on_line(line, names.get(line.agent_id, line.agent_id)) for line in receipt.lines]
    return "\n".join([f"The last task cost {money(receipt.total)}:", *lines])


def _on_line(line: _Line, name: str) -> str:
    said = f"- {name}: {money(line.charged)} for its work, at a price of {money(line.quoted)}"
    if line.charged > line.quoted:
        said += ", more by the length of the text"
    if line.external:
        said += f", and {money(line.external)} for what it bought outside"
    if line.refunded:
        said += f"; {money(line.refunded)} was given back"
    return f"{said}."
