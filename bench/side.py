"""Systems side by side: what is made in each, and how they are measured in turn."""

import http.client
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.load import OK, Ask, Load, answered, drive, in_turn
from bench.systems import System
from bench.table import Row
from bench.wire import request

READERS, COUNTED = 32, 4
"""Who read and make tasks; who call agents where that is not what is measured."""
PAGE = 100
AGENT = "summarizer"
BREATH_S = 0.3
PROCESSOR = "processor time"
LINKS = "/api/tasks", "/api/tasks/{}/steps"

Spent = dict[str, float]
"""Processor time by kind of process."""
Found = dict[str, list[float]]
"""Figures by system, one a round."""


@dataclass(frozen=True)
class Pace:
    """How long everything is measured: rounds, seconds of reading, calls by one caller."""

    rounds: int
    seconds: float
    calls: int


@dataclass
class Side:
    """The systems that run now, and what was made in each."""

    systems: Mapping[str, System]
    pace: Pace
    pools: dict[str, list[str]] = field(default_factory=dict)
    listed: dict[str, str] = field(default_factory=dict)
    costs: dict[str, dict[str, list[Spent]]] = field(default_factory=dict)
    """Processor time of an answer in ms, by work and system, one a round."""

    def rounds(
        self,
        work: str,
        names: tuple[str, ...],
        one: Callable[[System], Load],
        figure: Callable[[Load], float],
    ) -> Found:
        """Measure these systems in turn, again and again: a round is of one minute.

        What an answer cost in processor time is noted besides.
        """
        systems = [self.systems[name] for name in names if name in self.systems]
        found: Found = {system.name: [] for system in systems}
        costs = self.costs[work] = {system.name: [] for system in systems}
        for system in systems:
            self.ready(system)
        for number in range(self.pace.rounds):
            for system in systems[:: -1 if number % 2 else 1]:  # Nobody is always the first.
                before = system.processor_s()
                load = answered(one(system))
                costs[system.name].append(spent(before, system.processor_s(), len(load.took)))
                found[system.name].append(figure(load))
                print(f"  {system.name}: {figure(load):.4g}", file=sys.stderr, flush=True)
                time.sleep(BREATH_S)
        return found

    def cost_rows(self) -> list[Row]:
        """Processor time of an answer to each work, all processes of a system together."""
        return [
            Row(
                f"{PROCESSOR}: {work.removesuffix(', p50')}",
                "ms",
                {name: [sum(of.values()) for of in rounds] for name, rounds in found.items()},
            )
            for work, found in self.costs.items()
            if not work.startswith(PROCESSOR)  # That is a row already.
        ]

    def ready(self, system: System) -> None:
        """Make what is read and called: tasks, and one with 100 steps."""
        if system.name in self.pools:
            return
        self.pools[system.name] = [make_task(system) for _ in range(PAGE)]
        asked = self.calls(system)
        answered(drive(system.port, asked, callers=COUNTED, calls=PAGE))
        task = self.listed[system.name] = make_task(system)
        answered(drive(system.port, lambda n: call(task, n), callers=COUNTED, calls=PAGE))

    def calls(self, system: System) -> Ask:
        """Paid calls, of tasks in turn."""
        pool = self.pools[system.name]
        return lambda number: call(pool[number % PAGE], number)

    def lists(self, system: System) -> list[str]:
        """The addresses of two lists: the tasks, and the steps of one."""
        return [link.format(self.listed[system.name]) for link in LINKS]

    def reads(self, system: System, *links: str) -> Load:
        """Answers to GET requests."""
        asked = in_turn([request("GET", link) for link in links])
        return drive(system.port, asked, callers=READERS, seconds=self.pace.seconds)


def spent(before: Spent, after: Spent, answers: int) -> Spent:
    """Processor time of an answer, in ms."""
    return {kind: (after[kind] - before.get(kind, 0.0)) / answers * 1000 for kind in after}


def rate(load: Load) -> float:
    """Good answers a second."""
    return load.rate


def p50_ms(load: Load) -> float:
    """The median of what an answer took, in ms."""
    return load.p50_ms


def ask(system: System, method: str, path: str, body: object = None) -> Any:
    """One request; what its answer holds."""
    line = http.client.HTTPConnection("127.0.0.1", system.port, timeout=60)
    headers = {"content-type": "application/json"}
    line.request(method, path, None if body is None else json.dumps(body), headers)
    answer = line.getresponse()
    said = json.loads(answer.read())
    line.close()
    assert answer.status == OK, f"{system.name}: {method} {path}: {said}"
    return said


def make_task(system: System) -> str:
    """A task that calls can be of; its id."""
    return str(ask(system, "POST", "/api/tasks", task_body(0))["id"])


def task_body(number: int) -> dict[str, object]:
    """A task that no call of these completes."""
    return {"userQuery": f"Wish {number}", "requiredSkills": ["more"], "maxBudget": 10_000}


def call(task: str, number: int) -> bytes:
    """A paid call."""
    payload = {"text": f"The {number} bells rang."}
    return request(
        "POST", "/api/invoke-agent", {"agentId": AGENT, "taskId": task, "payload": payload}
    )
