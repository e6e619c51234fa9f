"""Losses, one after the other: a process is killed or frozen, and callers' silence is measured."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import psutil

from bench.callers import Callers
from bench.releases import ENDED_WELL, Fleet
from deploy.local.process import Child, Process, start

BETWEEN_S = (5.0, 25.0)
FROZEN_S = (1.0, 8.0)
AFTER_S = 4.0
WELL_WITHIN_S = 120.0
AGAIN_S = 0.5
Fault = Literal["killed", "frozen", "lost", "stopped"]
Turn = tuple[str, Fault]


@dataclass
class Loss:
    """What callers felt of the losses of one kind.

    Attributes:
        times: how often it happened.
        slowest_s: the longest that a request took with all its tries, of those answered then and
            until the next loss.
        silent_s: the longest time without a good answer to a plain question.
        idle_s: the longest time in which nothing that was asked for was done.
    """

    times: int = 0
    slowest_s: float = 0
    silent_s: float = 0
    idle_s: float = 0


@dataclass
class Storm:
    """The processes, who asks them, and what is done to them.

    Attributes:
        lose: what is done when a process is lost for good, by its name.
        between_s: from when to when the next loss may come.
        away_s: how long what was killed stays away.
        after_s: how long after a loss what callers feel is put down to it, at least.
    """

    fleet: Fleet
    callers: Callers
    processes: dict[str, Process]
    random: random.Random
    lose: dict[str, Callable[[], Awaitable[None]]]
    between_s: tuple[float, float] = BETWEEN_S
    away_s: float = 0
    after_s: float = AFTER_S
    losses: dict[Turn, Loss] = field(default_factory=dict)
    deaths: int = 0
    """Processes that ended by themselves, as some do when the bus is away for long."""
    stops: int = 0
    """Processes that ended because they were told to."""
    _away: set[str] = field(default_factory=set)
    _stopping: set[str] = field(default_factory=set)

    def happened(self, *faults: Fault) -> int:
        """How many such losses there were."""
        return sum(loss.times for (_, fault), loss in self.losses.items() if fault in faults)

    async def rage(self, turns: Iterable[Turn]) -> None:
        """Have one turn after the other."""
        does = {
            "killed": self._kill,
            "frozen": self._freeze,
            "lost": self._lose,
            "stopped": self._stop,
        }
        before = Loss()
        for name, fault in turns:
            await asyncio.sleep(self.random.uniform(*self.between_s))
            before.slowest_s = max(before.slowest_s, self.callers.look().slowest_s)
            await does[fault](name)
            await asyncio.sleep(self.after_s)
            if self.after_s:
                await self.callers.well(WELL_WITHIN_S)
            before = self._note(name, fault)

    def rounds(self, names: Iterable[str], *faults: Fault) -> Iterator[Turn]:
        """Each process and fault once in every round, in an order of chance, for ever."""
        every = [(name, fault) for name in names for fault in faults]
        for _ in itertools.count():
            self.random.shuffle(every)
            yield from every

    async def mend(self) -> None:
        """Start again what ended, as a supervisor does, until cancelled."""
        while True:
            for name in [n for n, child in self.fleet.running.items() if not child.alive()]:
                if name in self._away:
                    continue
                self._ended(name, self.fleet.running.pop(name))
                if (prepare := self.processes[name].prepare) is not None:
                    await asyncio.to_thread(prepare)
                self.fleet.running[name] = start(self.processes[name], self.fleet.logs)
            await asyncio.sleep(AGAIN_S)

    def _ended(self, name: str, child: Child) -> None:
        if name not in self._stopping:
            self.deaths += 1
            return
        self._stopping.remove(name)
        self.stops += 1
        well = child.popen.returncode in ENDED_WELL
        assert well, f"{name} {child.obituary()}\n{child.last_words()}"

    async def _kill(self, name: str) -> None:
        self._away.add(name)
        self.fleet.running[name].kill()
        await self.fleet.running[name].ends()
        await asyncio.sleep(self.away_s)
        self._away.discard(name)  # Whoever mends finds it.

    async def _stop(self, name: str) -> None:
        """As a deploy does; it goes on ending while the next one is told to."""
        if (child := self.fleet.running.get(name)) is not None and child.alive():
            self._stopping.add(name)
            child.popen.send_signal(child.process.stop_signal)

    async def _lose(self, name: str) -> None:
        await self.fleet.kill(name)
        await self.lose[name]()

    async def _freeze(self, name: str) -> None:
        with suppress(psutil.NoSuchProcess):
            head = psutil.Process(self.fleet.running[name].popen.pid)
            frozen = [head, *head.children(recursive=True)]
            try:
                for one in frozen:
                    with suppress(psutil.NoSuchProcess):
                        one.suspend()
                await asyncio.sleep(self.random.uniform(*FROZEN_S))
            finally:
                for one in frozen:
                    with suppress(psutil.NoSuchProcess):
                        one.resume()

    def _note(self, name: str, fault: Fault) -> Loss:
        felt = self.callers.look()
        loss = self.losses.setdefault((name.rstrip("-123"), fault), Loss())
        loss.times += 1
        loss.slowest_s = max(loss.slowest_s, felt.slowest_s)
        loss.silent_s = max(loss.silent_s, felt.silent_s)
        loss.idle_s = max(loss.idle_s, felt.idle_s)
        return loss

    def table(self) -> str:
        """What was felt of which loss."""
        heads = ("times", "slowest request", "nothing to read", "nothing done")
        rows = [f"{'':<16} {'':<7} {heads[0]:>5} {heads[1]:>16} {heads[2]:>16} {heads[3]:>13}"]
        for (name, fault), loss in sorted(self.losses.items()):
            rows.append(
                f"{name:<16} {fault:<7} {loss.times:5} {loss.slowest_s:14.1f} s"
                f" {loss.silent_s:14.1f} s {loss.idle_s:11.1f} s"
            )
        return "\n".join(rows)
