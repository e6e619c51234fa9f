"""Ctrl-C while HubChat works: the person is asked whether the turn is to be cancelled."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from deploy.local.answers import AskError, body_of

QUESTION = "\nCancel this? What was paid stays paid. [y/N] "
LEFT = "It goes on without you; the answer will be in the chat."

Presses = asyncio.Queue[None]


class Left(AskError):
    """The person went away; the turn goes on."""


class Paused:
    """Writes, unless somebody is asked something: then it waits for the answer."""

    def __init__(self, write: Callable[[str], None]) -> None:
        """Write by `write`."""
        self._write = write
        self._held: list[str] | None = None

    def write(self, text: str) -> None:
        """Write a text now, or once nobody is asked any more."""
        if self._held is None:
            self._write(text)
        else:
            self._held.append(text)

    @contextmanager
    def asking(self, question: str) -> Iterator[None]:
        """Put a question, and be silent until it is answered."""
        self._write(question)
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
            for text in held:
                self._write(text)


async def interruptible(
    api: httpx.AsyncClient,
    following: asyncio.Task[None],
    turn: asyncio.Future[str],
    out: Paused,
) -> None:
    """Wait for the end of a turn that is followed; at Ctrl-C, ask whether to cancel it.

    Args:
        api: at the gateway.
        following: ends with the turn.
        turn: its id, once that is known.
        out: what is told goes this way.

    Raises:
        AskError: the person left, or `following` says so.
    """
    with _presses() as presses:
        while await _pressed(presses, following):
            if not sys.stdin.isatty():
                raise Left(LEFT)
            with out.asking(QUESTION):
                wanted = await _line(presses)
            if wanted.strip().casefold() in ("y", "yes"):
                either: set[asyncio.Future[Any]] = {turn, following}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if turn.done():
                    body_of(await api.post(f"/api/turns/{turn.result()}/cancel"))
    await following


@contextmanager
def _presses() -> Iterator[Presses]:
    """Every Ctrl-C, instead of the end of the process."""
    presses: Presses = asyncio.Queue()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, presses.put_nowait, None)
    try:
        yield presses
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def _pressed(presses: Presses, following: asyncio.Task[None]) -> bool:
    """Wait for Ctrl-C; False when the turn ended before."""
    pressing = asyncio.create_task(presses.get())
    try:
        await asyncio.wait({following, pressing}, return_when=asyncio.FIRST_COMPLETED)
        return not following.done()
    finally:
        pressing.cancel()


async def _line(presses: Presses) -> str:
    """What the person types; Ctrl-C once more is a wish to leave."""
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        if not typed.done():
            typed.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin.fileno(), read)
    pressing = asyncio.create_task(presses.get())
    try:
        either: set[asyncio.Future[Any]] = {typed, pressing}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not typed.done():
            raise Left(f"\n{LEFT}")
        return typed.result()
    finally:
        pressing.cancel()
        loop.remove_reader(sys.stdin.fileno())
