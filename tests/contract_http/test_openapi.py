"""Every gateway does what its OpenAPI document says, and refuses what that does not say."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from tests.contract_http.system import MODES, Door

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
EXAMPLES = "3"
"""For each operation, beside the hundreds of cases of the phase `coverage`."""


async def _schemathesis(door: Door) -> tuple[int, str]:
    """How schemathesis ended, with all its phases and checks, and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{door.url}/openapi.json"),
        *("--checks", "all", "--phases", "examples,coverage,fuzzing,stateful"),
        *("--max-examples", EXAMPLES, "--generation-deterministic"),
        cwd=PROJECT,
        env={
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "PYTHONPATH": str(PROJECT),
            "BAZAAR_CREDENTIAL": door.credential or "",
            "BAZAAR_LONG_TEXTS": str(door.mode == "token").lower(),  # the same in every mode
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
async def found(doors: dict[str, Door]) -> dict[str, tuple[int, str]]:
    """All modes at the same time: much of it is waiting."""
    ended = await asyncio.gather(*(_schemathesis(door) for door in doors.values()))
    return dict(zip(doors, ended, strict=True))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", MODES)
def test_schemathesis_finds_nothing(found: dict[str, tuple[int, str]], mode: str) -> None:
    code, said = found[mode]
    assert code == 0, said


@pytest.mark.parametrize("mode", MODES)
async def test_the_live_document_is_valid(doors: dict[str, Door], mode: str) -> None:
    async with doors[mode].client() as http:
        validate((await http.get("/openapi.json")).json())
