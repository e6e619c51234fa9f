"""Kits that are run as processes of their own, with what they need."""

import asyncio
import os
import sys
import venv
from pathlib import Path

WAIT_S = 900.0
HERE = Path(__file__).parent
RESULTS = Path(".bazaar") / "conformance"
"""Where kits leave what they saw, check by check."""


def say(text: str) -> None:
    """Tell whoever watches."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def run(
    *argv: str | Path, env: dict[str, str] | None = None, at: Path | None = None, key: str = "-"
) -> bool:
    """Run a command for at most `WAIT_S`; whether it succeeded. The `key` is not said."""
    say(" ".join(map(str, ("$", *argv))).replace(key, "-"))
    process = await asyncio.create_subprocess_exec(*argv, env=os.environ | (env or {}), cwd=at)
    try:
        async with asyncio.timeout(WAIT_S):
            return await process.wait() == 0
    except TimeoutError:
        process.kill()
        await process.wait()
        return False


async def python_with(folder: Path, *packages: str) -> Path | None:
    """A Python of its own with these packages; None when they cannot be had."""
    await asyncio.to_thread(venv.create, folder, with_pip=True)
    bin_ = folder / "bin"
    if not await run(bin_ / "python", "-m", "pip", "install", "--quiet", *packages):
        return None
    return bin_


async def node_with(folder: Path, *packages: str) -> dict[str, str] | None:
    """The environment in which these packages of npm are found; None when they cannot be had."""
    if not await run("npm", "install", "--silent", "--prefix", folder, *packages):
        return None
    bin_ = folder / "node_modules" / ".bin"
    return {"PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}
