"""Apertium, the rule-based translator, as far as it is installed on this machine."""

import asyncio
import re
import shutil

from agents.engines.languages import base_language
from agents.engines.process import run
from agents.errors import UnavailableError

TIMEOUT_SECONDS = 20.0
AT_ONCE = 2
"""Translations that run side by side.

Each is a pipeline of about ten small programs, which take up to 450 MB together (cat-fra). Where
there is less, the system ends one of them, and nothing comes out.
"""

Pair = tuple[str, str]
_PLAIN_MODE = re.compile(r"([a-z]{2,3})-([a-z]{2,3})")


class Apertium:
    """The `apertium` program on PATH; without one it has no pairs, and so no routes."""

    def __init__(self, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._timeout = timeout_seconds
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._program = shutil.which("apertium")
        self._modes: dict[Pair, str] | None = None

    async def pairs(self) -> dict[Pair, str]:
        """Installed directions by language codes: `{("en", "es"): "eng-spa"}`.

        Asked once. Raises UnavailableError when the program is there but does not answer.
        """
        if self._modes is None:
            self._modes = _parse(await self._run("-l"))
        return self._modes

    async def route(self, source: str, target: str) -> list[str]:
        """The installed directions that lead from one language to the other.

        One direction, or two over a language in between; empty when there is no way.
        """
        modes = await self.pairs()
        if (source, target) in modes:
            return [modes[source, target]]
        for first, middle in modes:
            if first == source and (middle, target) in modes:
                return [modes[source, middle], modes[middle, target]]
        return []

    async def translate(self, text: str, route: list[str]) -> str:
        """The text translated along `route`; unknown words stay as they are.

        Raises UnavailableError (503) when Apertium fails or is too slow.
        """
        async with self._turns:
            for mode in route:
                text = await self._run("-u", mode, text=text)
        if not text.strip():
            # Its pipeline can break and still end with exit code 0.
            raise UnavailableError(f"Apertium ({'+'.join(route)}) answered with nothing.")
        return text.strip()

    async def _run(self, *options: str, text: str = "") -> str:
        if self._program is None:
            return ""
        return await run([self._program, *options], text, seconds=self._timeout)


def _parse(listing: str) -> dict[Pair, str]:
    """Read the lines of `apertium -l`, without the regional and historical variants."""
    modes: dict[Pair, str] = {}
    for mode in sorted(listing.split()):
        pair = _PLAIN_MODE.fullmatch(mode)
        if pair:
            modes[base_language(pair[1]), base_language(pair[2])] = mode
    return modes
