"""What has to hold after a crash: nothing ran twice, nothing was paid twice, all books agree."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

from deploy.local.answers import body_of
from deploy.local.telling import money, named
from deploy.local.witness import Witness

Json = dict[str, Any]


@dataclass(frozen=True)
class Check:
    """One claim, with what was found."""

    claim: str
    found: str
    holds: bool


async def checks(
    api: httpx.AsyncClient, ended: Json, witnesses: Mapping[str, Witness], before: Json
) -> list[Check]:
    """All claims about a turn.

    Args:
        api: at the gateway.
        ended: the turn's `turn.completed`.
        witnesses: the agents, by display name.
        before: the wallet before the turn.
    """
    task_id = ended["taskId"]

    async def get(path: str) -> Any:
        return body_of(await api.get(path))

    task = await get(f"/api/tasks/{task_id}")
    steps = await get(f"/api/tasks/{task_id}/steps")
    said = [m for m in await get("/api/messages?limit=200") if m["taskId"] == task_id]
    moved = await get("/api/payments/bazaarbucks?limit=200")
    moved = [payment for payment in moved if payment["taskId"] == task_id]
    paid = [payment for payment in moved if payment["type"] == "agent_payment"]
    receipt = await get(f"/api/tasks/{task_id}/receipt")
    after, books = await get("/api/wallet"), await get("/api/ledger/check?full=true")

    answers = [message for message in said if message["role"] == "assistant"]
    found = [
        Check(
            "the question was answered once",
            f"{len(answers)} answer, decided by {answers[-1].get('orchestrator')}"
            if answers
            else "no answer",
            len(answers) == 1 and answers[0]["id"] == ended["data"]["message"]["id"],
        ),
        Check(
            "every step was completed",
            ", ".join(f"{named(step['subtaskType'])} {step['status']}" for step in steps),
            len(steps) == len(witnesses) and all(s["status"] == "completed" for s in steps),
        ),
        *(_ran_once(name, witness, steps) for name, witness in witnesses.items()),
    ]
    bill = ended["data"]["message"].get("costBreakdown") or {"total": "0"}
    sums = {
        "bill": _exact(bill["total"]),
        "task": _exact(task["totalCost"]),
        "steps": sum((_exact(s["cost"]) + _exact(s["externalCost"]) for s in steps), Decimal(0)),
        "payments": sum((_exact(payment["amount"]) for payment in moved), Decimal(0)),
        "receipt": _exact(receipt["total"]),
        "wallet": _exact(before["posted"]) - _exact(after["posted"]),
    }
    return [
        *found,
        Check(
            "every step was paid once",
            f"{len(paid)} payments for {len(steps)} steps",
            sorted(one["agentId"] for one in paid) == sorted(step["agentId"] for step in steps)
            and [line["stepId"] for line in receipt["lines"]] == [step["id"] for step in steps],
        ),
        Check(
            "all say the same of what it cost",
            ", ".join(f"{name} {money(amount)}" for name, amount in sums.items())
            if len(set(sums.values())) > 1
            else f"{money(sums['bill'])}: {', '.join(sums)}",
            len(set(sums.values())) == 1 and sums["bill"] > 0,
        ),
        Check("nothing is held any more", money(_exact(after["held"])), not after["held"]),
        Check(
            "the books add up",
            ", ".join(one["rule"] for one in books["findings"] if one["broken"])
            or f"{len(books['findings'])} rules kept",
            books["ok"],
        ),
    ]


def _ran_once(name: str, witness: Witness, steps: list[Json]) -> Check:
    """Of an agent's own count, by Idempotency-Key, which is the step's id."""
    keys = set(witness.called)
    calls = sum(witness.called.values())
    return Check(
        f"{name} did its work once",
        f"called {calls}x with {len(keys)} idempotency key, worked {sum(witness.ran.values())}x",
        len(keys) == 1
        and keys <= {step["id"] for step in steps}
        and dict(witness.ran) == dict.fromkeys(keys, 1),
    )


def _exact(amount: Any) -> Decimal:
    return Decimal(str(amount))
