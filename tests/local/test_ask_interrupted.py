"""Ctrl-C at `bazaar ask`, in a terminal of its own, against a small gateway over real HTTP."""

import asyncio
import os
import pty
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator

import pytest
from fastapi import FastAPI

from tests.agents.serving import served
from tests.local.test_ask import END, Gateway, Json, event

QUESTION = "Cancel this?"


class Working(Gateway):
    """Works on a wish until that is cancelled, or until the test lets it go on."""

    def __init__(self) -> None:
        super().__init__()
        self.events = [event("step.started", agentId="a1")]
        self.cancelled: list[str] = []
        self.goes_on = False

    def app(self) -> FastAPI:
        app = super().app()

        @app.post("/api/turns/{id}/cancel")
        async def cancel(id: str) -> Json:  # noqa: A002  (the path's own word)
            self.cancelled.append(id)
            return {"cancelled": True}

        return app

    async def _stream(self) -> AsyncIterator[str | bytes]:
        async for piece in super()._stream():
            yield piece
        for _ in range(2_000):
            if self.cancelled or self.goes_on:
                break
            await asyncio.sleep(0.02)
        self.events = [END]
        self._told = 2
        async for piece in super()._stream():
            yield piece


class Terminal:
    """A terminal with `bazaar ask` in it."""

    def __init__(self, process: Process, ours: int) -> None:
        self.process, self._ours, self._shown = process, ours, ""
        os.set_blocking(ours, False)

    async def shows(self, text: str) -> None:
        """Wait until a text is on the screen."""
        async with asyncio.timeout(40):
            while text not in self._shown:
                await asyncio.sleep(0.02)
                try:
                    self._shown += os.read(self._ours, 65_536).decode()
                except (BlockingIOError, OSError):
                    continue

    def types(self, line: str) -> None:
        os.write(self._ours, f"{line}\n".encode())

    def interrupts(self) -> None:
        """What a terminal does at Ctrl-C."""
        self.process.send_signal(signal.SIGINT)


@pytest.fixture
def gateway() -> Iterator[Working]:
    state = Working()
    with served(state.app()) as client:
        state.url = str(client.base_url).rstrip("/")
        yield state


@pytest.fixture
async def terminal(gateway: Working) -> AsyncIterator[Terminal]:
    """Asks something, is told that an agent works, and is interrupted."""
    ours, theirs = pty.openpty()
    command = (sys.executable, "-m", "cli", "ask", "hello")
    env = os.environ | {"BAZAAR_URL": gateway.url}
    process = await asyncio.create_subprocess_exec(
        *command, stdin=theirs, stdout=theirs, stderr=theirs, env=env
    )
    os.close(theirs)
    terminal = Terminal(process, ours)
    try:
        await terminal.shows("started  Translator")
        terminal.interrupts()
        await terminal.shows(QUESTION)
        yield terminal
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        os.close(ours)


async def test_who_says_yes_has_it_cancelled_and_sees_the_bill(
    gateway: Working, terminal: Terminal
) -> None:
    assert gateway.cancelled == []
    terminal.types("y")
    await terminal.shows("total")
    assert await terminal.process.wait() == 0
    assert gateway.cancelled == ["u1"]


async def test_who_says_no_is_told_the_rest(gateway: Working, terminal: Terminal) -> None:
    gateway.goes_on = True
    terminal.types("")
    await terminal.shows("total")
    assert await terminal.process.wait() == 0
    assert gateway.cancelled == []


async def test_who_interrupts_the_question_leaves_and_nothing_is_cancelled(
    gateway: Working, terminal: Terminal
) -> None:
    terminal.interrupts()
    await terminal.shows("It goes on without you")
    assert await terminal.process.wait() == 130
    assert gateway.cancelled == []
    gateway.goes_on = True
