"""Run a program on a text, bounded in time, and leave nothing of it behind."""

import asyncio
import os
import signal
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from agents.errors import UnavailableError


async def run(arguments: Sequence[str], text: str = "", *, seconds: float) -> str:
    """What the program prints when `text` is its standard input.

    Raises UnavailableError (503) when it fails or takes longer than `seconds`. The program and
    everything that it started are killed when the time is over or the caller is cancelled.
    """
    program = Path(arguments[0]).name
    with await asyncio.to_thread(_as_file, text) as stdin:
        process = await asyncio.create_subprocess_exec(
            *arguments, stdin=stdin, stdout=PIPE, stderr=PIPE, start_new_session=True
        )
    try:
        async with asyncio.timeout(seconds):
            output, complaint = await process.communicate()
    except TimeoutError as error:
        raise UnavailableError(f"{program} took longer than {seconds:g} seconds.") from error
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode != 0:
        reason = complaint.decode(errors="replace").strip()[-300:]
        raise UnavailableError(f"{program} failed with code {process.returncode}: {reason}")
    return output.decode(errors="replace")


def _as_file(text: str) -> IO[bytes]:
    """The text as an unnamed file: unlike uvloop's sockets it can be opened as /dev/stdin."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
    file.write(text.encode())
    file.seek(0)
    return file
