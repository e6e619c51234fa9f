"""What an open stream costs, and whether a reader who reads nothing slows the others.

    python -m bench.streams [--streams 500] [--events 60]

One system as `make up` runs it, with a second gateway; a third each of the streams are of events,
of HubChat and of A2A's SubscribeToTask. Memory is what belongs to the gateways alone (USS), and
what each further stream adds to it: a fifth of each kind is open before. Then tasks are made, and
it is measured how long the readers wait for the event that tells so: when all read, and when a
fifth read nothing, and what waits for those is more than a connection holds.
"""

import argparse
import asyncio
import json
import re
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import psutil

from bench.releases import Fleet
from bench.systems import HERE, agent, at_instant_agent, marketplace
from bench.wire import request
from deploy.local.ports import free_port

MOST_KIB = 64.0
"""A stream may take so much of a gateway."""
MOST_SLOWER = 1.5
"""A reader may wait so many times as long for an event when others read nothing (p95)."""
FIRST, DEAF = 5, 5
"""One in so many is open before memory is looked at; one in so many reads nothing at the end."""
STUCK, LONG = 200, 20_000
"""Events of such a length that those who read nothing do not take."""
SETTLED_S, ANSWER_S, OPEN_AT_ONCE = 3.0, 60.0, 25
TRIES, PAUSE_S = 20, 1.0
"""How often a task is asked for while the system is too busy, and the pause in between."""
HEAD = b"\r\n\r\n"
MANY = {"EVENT_STREAMS": "2000", "AUTH_MODE": "none"}
ID = re.compile(rb'"taskId":"([A-Za-z0-9]+)"')


@dataclass
class Reader:
    """One open stream; when it heard, or will hear, of which task."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: "defaultdict[str, asyncio.Future[float]]" = field(
        default_factory=lambda: defaultdict(asyncio.Future)
    )
    reading: "asyncio.Task[None] | None" = None

    def listen(self) -> None:
        """Read all that comes."""
        self.reading = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        rest = b""
        while got := await self.reader.read(65_536):
            rest = (rest + got)[-200_000:]
            now = time.perf_counter()
            for found in ID.finditer(rest):
                if not (first := self.heard[found[1].decode()]).done():
                    first.set_result(now)
            rest = rest[rest.rfind(b"\n") + 1 :]

    def close(self) -> None:
        """Hang up."""
        if self.reading is not None:
            self.reading.cancel()
        self.writer.close()


def asks(task: str) -> dict[str, bytes]:
    """How each kind of stream is asked for."""
    frame = {"jsonrpc": "2.0", "id": 1, "method": "SubscribeToTask", "params": {"id": task}}
    subscribing = request("POST", "/a2a", frame).replace(HEAD, b"\r\nA2A-Version: 1.0" + HEAD, 1)
    return {
        "events": request("GET", "/api/events"),
        "HubChat": request("GET", "/api/hubchat/stream"),
        "A2A": subscribing,
    }


async def opened(port: int, asked: bytes) -> Reader:
    """A stream, once its first frame is there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=16_384)
    writer.write(asked)
    async with asyncio.timeout(ANSWER_S):
        head = await reader.readuntil(HEAD)
        assert b" 200 " in head.split(b"\r\n")[0], head
        await reader.readuntil(b"\n")
    return Reader(reader, writer)


async def many(ports: list[int], asked: bytes, number: int) -> list[Reader]:
    """So many streams of a kind, at the gateways in turn."""
    gate = asyncio.Semaphore(OPEN_AT_ONCE)

    async def one(place: int) -> Reader:
        async with gate:
            return await opened(ports[place % len(ports)], asked)

    return list(await asyncio.gather(*(one(place) for place in range(number))))


def own_kib(pids: list[int]) -> float:
    """What processes have for themselves alone."""
    return sum(psutil.Process(pid).memory_full_info().uss for pid in pids) / 1024


async def made(http: httpx.AsyncClient, wish: str) -> str:
    """The id of a new task; who is told that all is busy asks again."""
    for _ in range(TRIES):
        answer = await http.post("/api/tasks", json={"userQuery": wish})
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        await asyncio.sleep(PAUSE_S)
    id_: str = answer.raise_for_status().json()["id"]
    return id_


async def heard(readers: list[Reader], id_: str) -> list[float]:
    """Wait until all have heard of a task, and return when each did."""
    async with asyncio.timeout(ANSWER_S):
        return await asyncio.gather(*(one.heard[id_] for one in readers))


async def waited(http: httpx.AsyncClient, readers: list[Reader], events: int) -> list[float]:
    """How long readers waited for events, in ms, since their cause was posted."""
    found: list[float] = []
    for number in range(events):
        began = time.perf_counter()
        id_ = await made(http, f"Wish {number}")
        found += [(at - began) * 1000 for at in await heard(readers, id_)]
    return found


def p95(found: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(found, n=20)[-1]


@contextmanager
def two_gateways(folder: Path) -> Iterator[tuple[list[int], list[int]]]:
    """A marketplace with a second gateway; the ports and processes of both."""
    with agent() as port, marketplace(folder, settings=at_instant_agent(port) | MANY) as env:
        own = {name: str(free_port()) for name in ("GATEWAY_PORT", "GATEWAY_METRICS_PORT")}
        second = HERE.table(_environment(env) | own)["gateway"]
        fleet = Fleet(folder / "logs")
        asyncio.run(fleet.start(replace(second, name="gateway-2")))
        child = fleet.running["gateway-2"]
        try:
            family = psutil.Process(int(env["PID"])).children(recursive=True)
            first = [one.pid for one in family if _listens(one, int(env["GATEWAY_PORT"]))]
            ports = [int(env["GATEWAY_PORT"]), int(own["GATEWAY_PORT"])]
            yield ports, [first[0], child.popen.pid]
        finally:
            child.kill()


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name not in {"PID", "UP_S"}}


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        found = process.net_connections("tcp")
    except psutil.NoSuchProcess:  # PostgreSQL's come and go.
        return False
    return any(one.laddr.port == port and one.status == psutil.CONN_LISTEN for one in found)


async def costs(
    ports: list[int], pids: list[int], task: str, streams: int
) -> tuple[dict[str, list[Reader]], float]:
    """So many streams, by kind, and the KiB that a further one takes on average."""
    kinds = asks(task)
    first = max(1, streams // len(kinds) // FIRST)
    rest = streams // len(kinds) - first
    readers = {kind: await many(ports, asked, first) for kind, asked in kinds.items()}
    await asyncio.sleep(SETTLED_S)
    before = begin = own_kib(pids)
    for kind, asked in kinds.items():
        readers[kind] += await many(ports, asked, rest)
        await asyncio.sleep(SETTLED_S)
        now = own_kib(pids)
        print(f"{kind}: {len(readers[kind])} streams, {(now - before) / rest:.1f} KiB each")
        before = now
    return readers, (before - begin) / rest / len(kinds)


async def measured(ports: list[int], pids: list[int], streams: int, events: int) -> bool:
    """Measure, and say what was found; whether it is within its bounds."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports[0]}", timeout=60) as http:
        readers, each = await costs(ports, pids, await made(http, "Wait"), streams)
        everybody = [one for kind in readers.values() for one in kind]
        print(f"{len(everybody)} streams at {len(ports)} gateways: {each:.1f} KiB each")
        for one in everybody:
            one.listen()
        # Of events alone: the others tell nothing of tasks that are made.
        listening = [one for n, one in enumerate(readers["events"]) if n % DEAF]
        all_read = await waited(http, listening, events)
        for kind in readers.values():
            for one in kind[::DEAF]:
                assert one.reading is not None
                one.reading.cancel()
        for _ in range(STUCK):
            # One by one: these are more than readers in this one process take in at once.
            await heard(listening, await made(http, "x" * LONG))
        some_deaf = await waited(http, listening, events)
        for name, found in (("all read", all_read), (f"every {DEAF}th does not", some_deaf)):
            print(f"{name}: p50 {statistics.median(found):.1f} ms, p95 {p95(found):.1f} ms")
        for one in everybody:
            one.close()
    slower = p95(some_deaf) / p95(all_read)
    print(json.dumps({"kib": round(each, 1), "slower": round(slower, 2)}))
    return each <= MOST_KIB and slower <= MOST_SLOWER


def main() -> int:
    """Measure one system; 1 when it is not within its bounds."""
    parser = argparse.ArgumentParser(description="What an open stream costs.")
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--events", type=int, default=60)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, two_gateways(Path(place)) as (ports, pids):
        return 0 if asyncio.run(measured(ports, pids, asked.streams, asked.events)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
