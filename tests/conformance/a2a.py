"""The A2A door: the contract in a2a.yml, and the TCK of the protocol's authors."""

import asyncio
import os
import socket
from pathlib import Path
from string import Template
from xml.etree import ElementTree as ET

from tests.conformance.kits import HERE, RESULTS, python_with, run, say

PROOF = "a2a-proof==0.16.0"
TCK = "A2A_TCK"
"""The variable with the folder of a checkout of a2aproject/a2a-tck; no registry has it."""
TCK_COMMIT = "357c4a87afa2818731590647cccbea31c31733a2"
TCK_NEEDS = (
    "pytest==8.4.2",
    "pytest-asyncio==0.26.0",
    "pytest-html==4.1.1",
    "httpx==0.28.1",
    "grpcio==1.85.3",
    "googleapis-common-protos==1.76.0",
    "jsonschema==4.26.0",
)
LEVELS = "must"
NAMED = "example.com"
PUSHED = (
    "tests/compatibility/core_operations/test_push_notifications.py"
    "::TestPushNotificationCrud::test_create_push_config"
)
"""Names a receiver there: an address that has to be one."""


async def proof(folder: Path, url: str, key: str, skill: str) -> dict[str, bool]:
    """The contract in a2a.yml, by both bindings."""
    bin_ = await python_with(folder / "proof", PROOF)
    if bin_ is None:
        return {PROOF: False}
    came = {}
    for transport in ("JSONRPC", "HTTP+JSON"):
        contract = Template((HERE / "a2a.yml").read_text()).substitute(
            URL=url, TRANSPORT=transport, KEY=key, SKILL=skill
        )
        config = folder / f"a2a-{transport[:4]}.yaml"
        config.write_text(contract)
        came[f"a2a-proof, {transport}"] = await run(bin_ / "a2a-proof", "run", config)
    return came


async def tck(folder: Path, url: str) -> dict[str, bool]:
    """What the TCK requires (`must`), but for what a2a-tck.txt names; nothing without the kit."""
    kit = os.environ.get(TCK)
    if not kit:
        say(f"LEFT OUT: the A2A TCK; {TCK} names no checkout of it (at {TCK_COMMIT[:12]}).")
        return {}
    bin_ = await python_with(folder / "tck", *TCK_NEEDS)
    if bin_ is None:
        return {"A2A TCK": False}
    RESULTS.mkdir(parents=True, exist_ok=True)
    named = await asyncio.to_thread(has_address, NAMED)
    if not named:
        say(f"LEFT OUT: {PUSHED}, {NAMED} has no address here.")
    report = (RESULTS / "a2a-tck.xml").resolve()
    await run(
        *(bin_ / "python", "-m", "pytest", "tests/compatibility", "-q", "--tb=no"),
        *(f"--sut-host={url}", "--transport=jsonrpc,http_json", "-m", LEVELS),
        "--webhook-host=127.0.0.1",  # The only one that is told here (WEBHOOK_HOSTS).
        f"--junitxml={report}",
        *(() if named else ("--deselect", PUSHED)),
        at=Path(kit),
    )
    return {"A2A TCK": as_known(failed_of(report), known())}


def has_address(host: str) -> bool:
    """Whether a name can be looked up here."""
    try:
        return bool(socket.getaddrinfo(host, 443))
    except OSError:
        return False


def failed_of(report: Path) -> set[str]:
    """The tests that failed, by a report of JUnit's form."""
    cases = ET.parse(report).iter("testcase")  # noqa: S314  (the kit of this run wrote it)
    return {
        f"{case.get('classname')}::{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    }


def known() -> set[str]:
    """The tests that are known to fail."""
    lines = (HERE / "a2a-tck.txt").read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def as_known(failed: set[str], expected: set[str]) -> bool:
    """Whether exactly what is expected failed; says what is not so."""
    for one in sorted(failed - expected):
        say(f"fails, and is not in a2a-tck.txt: {one}")
    for one in sorted(expected - failed):
        say(f"fails no more, take it out of a2a-tck.txt: {one}")
    return failed == expected
