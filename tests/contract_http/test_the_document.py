"""Every gateway does what its OpenAPI document says, and refuses what that does not say.

All phases are tried with keys. The other modes differ in how callers are known and in nothing else:
in them, a call or two of each operation, and what becomes of them without a credential.
"""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from gateway.auth import guarded
from tests.contract_http.system import MODES, Door
from tests.support.clients import http_client
from tests.support.stack import Stack, new_stack

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
EVERYTHING = ("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "3")
"""Some examples of each operation, beside the hundreds of cases of the phase `coverage`."""
A_CALL_OR_TWO = ("--phases", "examples,fuzzing", "--max-examples", "1")
IN_FULL = "token"
"""The mode in which everything is tried."""


async def _schemathesis(door: Door) -> tuple[int, str]:
    """How schemathesis ended, with all its checks, and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{door.url}/openapi.json"),
        *("--checks", "all", "--generation-deterministic"),
        *(EVERYTHING if door.mode == IN_FULL else A_CALL_OR_TWO),
        cwd=PROJECT,
        env={
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "PYTHONPATH": str(PROJECT),
            "BAZAAR_CREDENTIAL": door.credential or "",
            "BAZAAR_LONG_TEXTS": str(door.mode == IN_FULL).lower(),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode or 0, said.decode()


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[Stack]:
    """Servers of its own: what is made up here is in no other test's lists."""
    async with new_stack() as own:
        yield own


@pytest.fixture(scope="module")
async def found(doors: dict[str, Door]) -> dict[str, tuple[int, str]]:
    """All modes at the same time: much of it is waiting."""
    ended = await asyncio.gather(*(_schemathesis(door) for door in doors.values()))
    return dict(zip(doors, ended, strict=True))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", MODES)
def test_schemathesis_finds_nothing(found: dict[str, tuple[int, str]], mode: str) -> None:
    code, said = found[mode]
    assert code == 0, said


async def test_the_modes_differ_in_authentication_alone(doors: dict[str, Door]) -> None:
    """So what is behind it has to be tried in one of them."""

    async def behind(door: Door) -> Any:
        async with door.client() as http:
            document = (await http.get("/openapi.json")).json()
        document["components"].pop("securitySchemes", None)
        for operation in (each for found in document["paths"].values() for each in found.values()):
            operation.pop("security", None)
            for status in ("401", "403", "421"):  # Who asks; where nobody says, under what name.
                operation["responses"].pop(status, None)
        return document

    one, *others = [await behind(door) for door in doors.values()]
    assert all(other == one for other in others)


OPERATIONS = {
    *("list_agents", "get_agent", "choose_agents"),
    *("list_agent", "change_listing", "import_agents", "suspend_agent", "resume_agent"),
    *("retire_agent", "set_credential", "delete_credential", "get_signing_keys"),
    *("rate_task", "open_dispute", "note_dispute", "decide_dispute", "list_disputes"),
    *(
        "get_seller",
        "open_onboarding",
        "set_destination",
        "list_earnings",
        "request_payout",
        "list_payouts",
    ),
    *("add_webhook", "list_webhooks", "delete_webhook", "list_deliveries", "replay"),
    *("list_tasks", "get_task", "list_steps", "create_task", "invoke_agent", "ask_quote"),
    *("cancel_task", "cancel_turn"),
    *("list_messages", "post_message", "forget_messages", "get_turn"),
    *("list_payments", "pay_agent", "refund_payment"),
    *("list_card_payments", "retry_card_payment", "refund_card_payment", "open_checkout"),
    *("get_wallet", "list_ledger_entries", "check_ledger", "get_receipt"),
    *("open_session", "list_sessions", "get_session", "close_session"),
    *("open_key", "list_keys", "close_key"),
    *("list_approvals", "approve_step", "reject_step"),
    *("list_dead_letters", "get_dead_letter", "replay_dead_letter"),
    *("stream_events", "stream_task_events", "stream_chat"),
    *("get_health", "get_readiness"),
}
"""Names of methods in generated clients: to rename one breaks whoever has such a client."""
HEADERS = {
    "401": "WWW-Authenticate",
    "403": "WWW-Authenticate",
    "409": "Retry-After",
    "429": "Retry-After",
    "503": "Retry-After",
}


@pytest.mark.parametrize("mode", MODES)
async def test_the_live_document_says_what_there_is(doors: dict[str, Door], mode: str) -> None:
    async with http_client(base_url=doors[mode].url) as anybody:
        document = (await anybody.get("/openapi.json")).json()
    validate(document)
    operations = {
        (path, method): operation
        for path, found in document["paths"].items()
        for method, operation in found.items()
    }
    assert {operation["operationId"] for operation in operations.values()} == OPERATIONS
    for (path, method), operation in operations.items():
        asked = mode != "none" and guarded(path)
        assert ("security" in operation) == asked, path
        assert ({"401", "403"} <= operation["responses"].keys()) == asked, path
        assert ("401" in operation["responses"]) == asked, path
        takes = {each["name"] for each in operation.get("parameters", [])}
        assert ("Idempotency-Key" in takes) == (method == "post"), path
        assert ("traceparent" in takes) == guarded(path), path
        for status, answer in operation["responses"].items():
            if status in HEADERS:
                assert HEADERS[status] in answer["headers"], (path, status)
            if status == "304":
                assert "content" not in answer, path
            elif status == "402":
                schema = answer["content"]["application/problem+json"]["schema"]
                assert schema["$ref"].endswith("/PaymentProblem"), path
            elif status != "200":
                schema = answer["content"]["application/json"]["schema"]
                assert schema["$ref"].endswith("/Problem"), (path, status)
    assert ("securitySchemes" in document["components"]) == (mode != "none")


async def test_amounts_of_bodies_show_how_they_are_written(doors: dict[str, Door]) -> None:
    async with doors["none"].client() as http:
        schemas = (await http.get("/openapi.json")).json()["components"]["schemas"]
    number, text, _ = schemas["NewTask"]["properties"]["maxBudget"]["anyOf"]
    assert number == {"type": "number", "minimum": 0, "maximum": 1_000_000, "multipleOf": 1e-6}
    for good in ("0", "1.10", "1000000", "0.3000000000"):
        assert re.search(text["pattern"], good)
    for bad in ("1_0", "+1", "-0", "1e3", "05", "1000001", "0.1234567", " 1", "\u0661"):
        assert not re.search(text["pattern"], bad)
