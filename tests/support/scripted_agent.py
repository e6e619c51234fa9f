"""An agent over real HTTP that meets each call as a test's script says, well-behaved or not."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Call:
    """A request as it arrived; header names in lower case."""

    headers: dict[str, str]
    payload: Any

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]


Behaviour = Callable[[Call, asyncio.StreamWriter], Awaitable[None]]


class ScriptedAgent:
    """Meets the n-th call of /execute with the n-th behaviour, further ones with the last.

    Its /negotiate has a script of its own, and its /price one behaviour; without them it has no
    such routes. Whoever has one of them says in /info that it is negotiable. Asked after work that
    it has taken on, below /jobs, it meets that by the script `later`.
    """

    def __init__(
        self,
        *script: Behaviour,
        load: int | None = None,
        haggles: Sequence[Behaviour] = (),
        price_list: Behaviour | None = None,
        info: dict[str, Any] | None = None,
        later: Sequence[Behaviour] = (),
    ) -> None:
        self.script = list(script) or [answers()]
        self.calls: list[Call] = []
        self.offers: list[Call] = []
        self.load = load
        self.asked: list[Call] = []
        self._later = list(later)
        self._haggles = list(haggles)
        self._price = price_list
        self._info = {"negotiable": bool(haggles or price_list), **(info or {})}
        self._port = 0
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._called = asyncio.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def keys(self) -> list[str]:
        """The Idempotency-Keys of all calls."""
        return [call.key for call in self.calls]

    async def called(self, times: int = 1) -> None:
        """Wait until it was called so often."""
        async with asyncio.timeout(40), self._called:
            await self._called.wait_for(lambda: len(self.calls) >= times)

    async def offered(self, times: int = 1) -> None:
        """Wait until it was made so many offers."""
        async with asyncio.timeout(40), self._called:
            await self._called.wait_for(lambda: len(self.offers) >= times)

    async def start(self) -> None:
        """Listen, on the same port as before when there was one."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hang up on everyone and listen no more."""
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._meet(reader, writer)
        finally:
            writer.close()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, colon, value in (line.partition(":") for line in lines)
            if colon
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        route = first.split()[1]
        call = Call(headers, json.loads(body) if body else None)
        if route == "/execute":
            await (await self._noted(self.calls, call, self.script))(call, writer)
        elif route == "/negotiate" and self._haggles:
            await (await self._noted(self.offers, call, self._haggles))(call, writer)
        elif route.startswith("/jobs") and self._later:
            await (await self._noted(self.asked, call, self._later))(call, writer)
        elif route == "/price" and self._price:
            await self._price(call, writer)
        elif route in ("/negotiate", "/price"):
            await _send(writer, 404, b"{}")
        else:
            load = {} if self.load is None else {"load": self.load}
            about: dict[str, Any] = {"status": "healthy", **load, **self._info}
            await _send(writer, 200, json.dumps(about).encode())

    async def _noted(self, calls: list[Call], call: Call, script: list[Behaviour]) -> Behaviour:
        async with self._called:
            calls.append(call)
            self._called.notify_all()
            return script[min(len(calls), len(script)) - 1]


async def _send(
    writer: asyncio.StreamWriter, status: int, body: bytes, extra: str = "", cut: int | None = None
) -> None:
    head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{extra}\r\n"
    writer.write(head.encode() + body[:cut])
    await writer.drain()


def answer(result: str = "done", cost: Any = 0.1, **more: Any) -> dict[str, Any]:
    """The JSON of a proper answer."""
    return {
        "result": result,
        "cost": cost,
        "subtask_type": "general",
        "requires_external_tool": False,
        "external_cost": 0,
    } | more


def answers(result: str | Callable[[Any], str] = "done", cost: Any = 0.1, **more: Any) -> Behaviour:
    """Does the work; `result` may be made of the payload."""

    async def behave(call: Call, writer: asyncio.StreamWriter) -> None:
        said = result(call.payload) if callable(result) else result
        await _send(writer, 200, json.dumps(answer(said, cost, **more)).encode())

    return behave


def says(body: bytes | str | dict[str, Any], status: int = 200, extra: str = "") -> Behaviour:
    """Answers with these bytes, this text or this JSON, whatever it means."""
    text = json.dumps(body) if isinstance(body, dict) else body
    raw = text.encode() if isinstance(text, str) else text

    async def behave(_call: Call, writer: asyncio.StreamWriter) -> None:
        await _send(writer, status, raw, extra)

    return behave


def counters(price: Any, message: str = "Let us see.") -> Behaviour:
    """Makes a counter offer."""
    return says({"accepted": False, "counter_offer": price, "message": message})


def accepts(message: str = "Agreed.") -> Behaviour:
    """Takes an offer."""
    return says({"accepted": True, "counter_offer": None, "message": message})


def refuses(message: str = "No.") -> Behaviour:
    """Takes no offer and makes none."""
    return says({"accepted": False, "counter_offer": None, "message": message})


def is_busy() -> Behaviour:
    return says({"detail": "Agent busy"}, 503)


async def hangs(_call: Call, _writer: asyncio.StreamWriter) -> None:
    """Never answers."""
    await asyncio.Event().wait()


def until_hung_up(left: asyncio.Event) -> Behaviour:
    """Works, and says that it does, until its caller closes the connection."""

    async def behave(_call: Call, writer: asyncio.StreamWriter) -> None:
        while not writer.transport.is_closing():
            writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            await asyncio.sleep(0.1)
        left.set()

    return behave


async def hangs_up(_call: Call, writer: asyncio.StreamWriter) -> None:
    """Closes the connection without a word."""
    writer.transport.abort()


async def breaks_off(_call: Call, writer: asyncio.StreamWriter) -> None:
    """Closes the connection in the middle of an answer."""
    await _send(writer, 200, json.dumps(answer()).encode(), cut=20)
    writer.transport.abort()


async def drips(_call: Call, writer: asyncio.StreamWriter) -> None:
    """Sends an answer so slowly that it never ends, though never silent for long."""
    await _send(writer, 200, b" " * 100_000, cut=1)
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


def waits_for(gate: asyncio.Event, then: Behaviour) -> Behaviour:
    """Behaves so once the gate is open."""

    async def behave(call: Call, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        await then(call, writer)

    return behave
