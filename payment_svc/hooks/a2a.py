"""What agents of A2A are told: an update of a task's status, in the words of their version.

Results are not sent to an address that somebody named; who is told asks for the task.
"""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import JsonValue

from contracts.pushes import AddPush, Wire

TURN = "turn_"
"""What the id of a task of theirs begins with that is a turn of ours."""
SUBMITTED, WORKING = "SUBMITTED", "WORKING"
COMPLETED, FAILED, CANCELED = "COMPLETED", "FAILED", "CANCELED"
STATES = {
    "created": SUBMITTED,
    "in_progress": WORKING,
    "completed": COMPLETED,
    "failed": FAILED,
}
"""Of our tasks, as A2A's."""
ENDS = frozenset({COMPLETED, FAILED, CANCELED})
BILL = "agentbazaar/bill"
"""The member that a bill is under, at the door as here."""
TYPES = {"1.0": "application/a2a+json", "0.3": "application/json"}


def status_update(wire: Wire, about: str, context: str, state: str, total: Decimal | None) -> str:
    """The body of a message: a StreamResponse of 1.0, a Task of 0.3.

    Args:
        wire: the version.
        about: the task of theirs.
        context: theirs, too.
        state: of `STATES` or `ENDS`.
        total: BazaarBucks that it cost; None where nothing did yet.
    """
    bill = {} if total is None else {"metadata": {BILL: {"total": float(total)}}}
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told: dict[str, Any]
    if wire == "0.3":
        status = {"state": state.lower(), "timestamp": at}
        told = {"kind": "task", "id": about, "contextId": context, "status": status, **bill}
    else:
        status = {"state": f"TASK_STATE_{state}", "timestamp": at}
        told = {"statusUpdate": {"taskId": about, "contextId": context, "status": status, **bill}}
    return json.dumps(told)


def shown_to_receiver(asked: AddPush) -> str:
    """The headers by which a receiver knows us, as they are kept: encrypted, nowhere else."""
    headers: dict[str, JsonValue] = {"Content-Type": TYPES[asked.wire]}
    if asked.token is not None:
        headers["X-A2A-Notification-Token"] = asked.token
    if asked.scheme is not None and asked.credentials is not None:
        headers["Authorization"] = f"{asked.scheme} {asked.credentials}"
    return json.dumps(headers)


def headers(kept: str, event_id: str) -> dict[str, str]:
    """The headers of a message; its id is that of every try, as that of any webhook is."""
    own: dict[str, str] = json.loads(kept)
    return {"User-Agent": "AgentBazaar-Webhooks/1", "webhook-id": event_id, **own}
