"""What came of an agent's work, as the JSON of a tool result and as words for people."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from chat_svc.domain import StoredCall
from contracts.chat import CostBreakdown
from contracts.task import FailureReason

Json = dict[str, Any]


def completed(call: StoredCall, result: str, cost: Decimal, external_cost: Decimal) -> str:
    """The result of a call whose agent did its work; amounts in BazaarBucks."""
    said: Json = {
        "status": "completed",
        "result": result,
        "cost": format(cost, "f"),
        "external_cost": format(external_cost, "f"),
    }
    return _json(_about(call) | said)


def failed(call: StoredCall, reason: FailureReason, error: str) -> str:
    """The result of a call that no agent could do."""
    return _json(_about(call) | {"status": "failed", "error": error, "reason": reason})


def _about(call: StoredCall) -> Json:
    if call.work is None:
        return {"call_id": call.id}
    return {
        "call_id": call.id,
        "agent_id": call.work.agent.agent_id,
        "agent": call.work.agent.agent_name,
        "skill": call.work.skill,
        "troubles": call.work.troubles,
    }


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def what_was_paid(cost: CostBreakdown | None) -> str:
    """What a task that was cancelled has cost, as a sentence."""
    if cost is None or not cost.total:
        return "Nothing was paid."
    return f"Paid so far: {cost.total.normalize():f} BazaarBucks, as the bill says."


def what_was_done(said: str, calls: Sequence[StoredCall]) -> tuple[str, str | None]:
    """The answer of a turn that was stopped: why, what was done all the same, and what was not.

    Returns:
        The message, and the result that a follow-up may refer to.
    """
    parts, result = [said], None
    for call in calls:
        work = call.work
        if work is None:
            continue
        found = json.loads(call.content) if call.content else {}
        if work.finished:
            result = str(found["result"])
            parts.append(f"{work.agent.agent_name} ({work.skill}):\n{result}")
        elif work.finished is None:
            parts.append(f"I did not finish {work.skill}.")
        else:
            parts.append(f"I could not {work.skill}: {found['error']}")
        if work.troubles:
            parts.append(f"({'; '.join(work.troubles)})")
    return "\n\n".join(part for part in parts if part.strip()), result
