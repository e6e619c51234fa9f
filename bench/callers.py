"""Callers that do not give up: what a client has to do so that an upgrade is not felt.

Each wish and each paid call has an `Idempotency-Key`; whatever is not answered for good is asked
again with it, at the next gateway. What came of all is told, and when callers had to wait.
"""

import asyncio
import itertools
import json
import time
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

OK = httpx.codes.OK
INVOKE, WISH = "/api/invoke-agent", "/api/hubchat/message"
ANSWER_S = 60.0
AGAIN_S = 0.1
PULSE_S = 0.05
GIVEN_UP_S = 180.0
AGAIN = {408, 409, 425, 429}


def final(status: int) -> bool:
    """Whether an answer is for good; 0 is none."""
    return 0 < status < httpx.codes.INTERNAL_SERVER_ERROR and status not in AGAIN


@dataclass
class Asked:
    """A request that was answered for good, or given up."""

    path: str
    body: dict[str, Any]
    status: int
    answer: dict[str, Any]
    took_s: float
    tries: int


@dataclass
class Felt:
    """What callers noticed since the last look.

    Attributes:
        answers: how often which status came, 0 when there was none, over all tries.
        done: requests that were answered for good.
        slowest_s: the longest that one of them took, with all its tries.
        silent_s: the longest time without a single good answer to a plain question.
        idle_s: the longest time in which not one request was answered for good.
    """

    answers: Counter[int] = field(default_factory=Counter)
    done: int = 0
    slowest_s: float = 0
    silent_s: float = 0
    idle_s: float = 0


@dataclass
class Callers:
    """People who ask one after the other, at whatever gateways there are.

    Attributes:
        every_s: between the beginnings of two requests of one of them, if the first is done.
    """

    http: httpx.AsyncClient
    gateways: list[str]
    asked: list[Asked] = field(default_factory=list)
    events: list[tuple[int, str]] = field(default_factory=list)
    notices: Counter[str] = field(default_factory=Counter)
    felt: Felt = field(default_factory=Felt)
    trying: set[str] = field(default_factory=set)
    """Keys of requests that have no answer for good yet."""
    stopping: bool = False
    every_s: float = 0
    _read_at: float = field(default_factory=time.monotonic)
    _done_at: float = field(default_factory=time.monotonic)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def run(self, callers: int) -> None:
        """Ask until `stopping`; every request that was begun is finished on return."""
        reading = asyncio.create_task(self._read())
        try:
            await asyncio.gather(self._pulse(), *(self._caller(n) for n in range(callers)))
        finally:
            reading.cancel()
            await asyncio.wait({reading})

    async def answered(self) -> None:
        """Wait until all that is being tried now has its answer."""
        now = set(self.trying)
        while now & self.trying:  # noqa: ASYNC110  (many answers end it, none of them alone)
            await asyncio.sleep(AGAIN_S)

    def look(self) -> Felt:
        """What was felt since the last look."""
        felt, self.felt, now = self.felt, Felt(), time.monotonic()
        felt.silent_s = max(felt.silent_s, now - self._read_at)
        felt.idle_s = max(felt.idle_s, now - self._done_at)
        return felt

    async def well(self, within_s: float) -> None:
        """Wait until a question and a request have been answered since this was called."""
        since = time.monotonic()
        async with asyncio.timeout(within_s):
            while min(self._read_at, self._done_at) < since:  # noqa: ASYNC110  (two events, in any order)
                await asyncio.sleep(AGAIN_S)

    async def followed(self) -> str:
        """Compare what the reader was told with what the stream tells anew; a line about it.

        Raises:
            AssertionError: an event was missed, or told twice or out of order.
        """
        told = self.events
        self.events = []
        anew = asyncio.create_task(self._read())
        for _ in range(round(ANSWER_S / AGAIN_S)):
            if self.events and self.events[-1][0] >= told[-1][0]:
                break
            await asyncio.sleep(AGAIN_S)
        anew.cancel()
        await asyncio.wait({anew})
        whole = [event for event in self.events if event[0] <= told[-1][0]]
        assert told == whole, f"{len(told)} events were told, there are {len(whole)}"
        return f"{len(told)} events were followed without a gap; notices: {dict(self.notices)}"

    async def _caller(self, number: int) -> None:
        for n in itertools.count(number):
            if self.stopping:
                return
            i, next_at = next(self._numbers), time.monotonic() + self.every_s
            text = f"The {i} bells rang. They rang twice. Nobody heard them."
            if n % 2:
                body: dict[str, Any] = {"content": f"Summarize and translate to French: {text}"}
                await self._insist(i, WISH, body)
            else:
                call = {"text": text, "target_language": "es"}
                await self._insist(i, INVOKE, {"agentId": "translator", "payload": call})
            await asyncio.sleep(max(0, next_at - time.monotonic()))

    async def _insist(self, first: int, path: str, body: dict[str, Any]) -> None:
        """Ask until there is an answer for good, each time at the next gateway."""
        key = uuid.uuid4().hex
        headers = {"Idempotency-Key": key}
        self.trying.add(key)
        began = time.monotonic()
        for tries in itertools.count(1):
            gateway = self.gateways[(first + tries) % len(self.gateways)]
            status, answer = 0, {"error": "no answer"}
            try:
                said = await self.http.post(f"{gateway}{path}", json=body, headers=headers)
                status, answer = said.status_code, said.json()
            except (httpx.TransportError, ValueError):
                pass
            self.felt.answers[status] += 1
            took = time.monotonic() - began
            if final(status) or took > GIVEN_UP_S:
                self.asked.append(Asked(path, body, status, answer, took, tries))
                self.trying.discard(key)
                self.felt.done += 1
                self.felt.slowest_s = max(self.felt.slowest_s, took)
                now = time.monotonic()
                self.felt.idle_s = max(self.felt.idle_s, now - self._done_at)
                self._done_at = now
                return
            await asyncio.sleep(AGAIN_S)

    async def _pulse(self) -> None:
        """Look into the wallet again and again, at one gateway or the other."""
        for n in itertools.count():
            if self.stopping:
                return
            gateway = self.gateways[n % len(self.gateways)]
            with suppress(httpx.TransportError):
                if (await self.http.get(f"{gateway}/api/wallet", timeout=2)).status_code == OK:
                    now = time.monotonic()
                    self.felt.silent_s = max(self.felt.silent_s, now - self._read_at)
                    self._read_at = now
            await asyncio.sleep(PULSE_S)

    async def _read(self) -> None:
        """Read all events, over whatever ends: each time from where we were, at another gateway."""
        last = ""
        for n in itertools.count():
            gateway = self.gateways[n % len(self.gateways)]
            headers = {"Last-Event-ID": last or "0"}
            with suppress(httpx.TransportError):
                url = f"{gateway}/api/events"
                async with self.http.stream("GET", url, headers=headers, timeout=20) as stream:
                    kind, passing = "", True
                    async for line in stream.aiter_lines():
                        name, _, value = line.partition(": ")
                        if name == "id":
                            last, passing = value, False
                        elif name == "event":
                            kind = value
                        elif name == "data":
                            said = json.loads(value)
                            if kind == "notice":
                                self.notices[said["notice"]] += 1
                            elif not passing:  # What has no id is told as it passes, and not kept.
                                self.events.append((int(last), said["type"]))
                        elif not line:
                            kind, passing = "", True
            await asyncio.sleep(AGAIN_S)
