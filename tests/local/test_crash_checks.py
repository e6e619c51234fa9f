"""What `make crash-demo` looks at: each thing that would be wrong is found."""

from copy import deepcopy
from typing import Any

import pytest
from fastapi import FastAPI

from deploy.local.crash_checks import Check, checks
from deploy.local.witness import Witness
from tests.agents.serving import served
from tests.support.clients import http_client

Json = dict[str, Any]
MESSAGE: Json = {
    "id": "m2",
    "role": "assistant",
    "taskId": "t1",
    "orchestrator": "claude",
    "costBreakdown": {"total": "0.3"},
}
STEP: Json = {"subtaskType": "sum", "status": "completed", "externalCost": 0}
GOOD: Json = {
    "/api/tasks/t1": {"totalCost": 0.3},
    "/api/tasks/t1/steps": [
        STEP | {"id": "s1", "agentId": "a1", "cost": 0.1},
        STEP | {"id": "s2", "agentId": "a2", "cost": 0.2},
    ],
    "/api/messages": [{"id": "m1", "role": "user", "taskId": "t1"}, MESSAGE],
    "/api/payments/bazaarbucks": [
        {"taskId": "t1", "agentId": "a1", "type": "agent_payment", "amount": 0.09},
        {"taskId": "t1", "agentId": "a1", "type": "platform_fee", "amount": 0.01},
        {"taskId": "t1", "agentId": "a2", "type": "agent_payment", "amount": 0.2},
        {"taskId": "t0", "agentId": "a2", "type": "agent_payment", "amount": 5},
    ],
    "/api/tasks/t1/receipt": {"total": 0.3, "lines": [{"stepId": "s1"}, {"stepId": "s2"}]},
    "/api/wallet": {"posted": 9.7, "held": 0},
    "/api/ledger/check": {"ok": True, "findings": [{"rule": "zero", "broken": 0}]},
}
ENDED = {"taskId": "t1", "data": {"message": MESSAGE}}


async def found(state: Json, ran: tuple[int, int] = (1, 1)) -> list[Check]:
    """The checks against a gateway that answers so."""
    app = FastAPI()
    for path in state:
        app.get(path)(lambda path=path: state[path])
    witnesses = {name: Witness(app, 0) for name in ("A", "B")}
    for witness, key, times in zip(witnesses.values(), ("s1", "s2"), ran, strict=True):
        witness.called[key] += 2
        witness.ran[key] += times
    with served(app) as client:
        async with http_client(base_url=client.base_url) as api:
            return await checks(api, ENDED, witnesses, {"posted": 10})


async def test_all_holds() -> None:
    assert all(check.holds for check in await found(GOOD))


WRONG: dict[str, tuple[str, Any]] = {
    "the question was answered once": ("/api/messages", [MESSAGE, MESSAGE]),
    "every step was completed": ("/api/tasks/t1/steps", [GOOD["/api/tasks/t1/steps"][0]]),
    "every step was paid once": (
        "/api/payments/bazaarbucks",
        [*GOOD["/api/payments/bazaarbucks"], GOOD["/api/payments/bazaarbucks"][2]],
    ),
    "all say the same of what it cost": ("/api/wallet", {"posted": 9.6, "held": 0}),
    "nothing is held any more": ("/api/wallet", {"posted": 9.7, "held": 0.1}),
    "the books add up": (
        "/api/ledger/check",
        {"ok": False, "findings": [{"rule": "zero", "broken": 3}]},
    ),
}


@pytest.mark.parametrize("claim", WRONG)
async def test_what_is_wrong_is_found(claim: str) -> None:
    path, value = WRONG[claim]
    state = deepcopy(GOOD)
    state[path] = value
    assert claim in {check.claim for check in await found(state) if not check.holds}


@pytest.mark.parametrize("ran", [(1, 2), (0, 1)])
async def test_work_that_was_done_twice_or_never_is_found(ran: tuple[int, int]) -> None:
    broken = [check.claim for check in await found(GOOD, ran) if not check.holds]
    assert broken == [f"{'B' if ran[1] == 2 else 'A'} did its work once"]
