"""What a paid call costs through a door, beside the same call of the API.

    python -m bench.doors [--rounds N] [--calls N]

One system, as `make up` runs it; each round asks every way, in turn, and a ratio is of one round.
An A2A message has the key that follows from its id, so it is beside a call with a key.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from bench.load import answered, drive
from bench.side import call, make_task
from bench.systems import agent, at_instant_agent, marketplace, system
from bench.wire import request

CALLERS = (1, 16)
WARM = 30
MOST = 1.3
"""Times the call of the API, p50."""
PLAIN, KEYED = "POST /api/invoke-agent", "POST /api/invoke-agent, with a key"
MCP, A2A = "MCP tools/call", "A2A SendMessage"
BESIDE = {MCP: PLAIN, A2A: KEYED}
VERSION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
}

Ask = Callable[[int], bytes]


def with_headers(asked: bytes, **headers: str) -> bytes:
    """A request with further headers."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head, _, body = asked.partition(b"\r\n\r\n")
    return head + b"\r\n" + lines.encode() + b"\r\n" + body


class Good:
    """Looks at answers: a door says no with the status 200."""

    def mark(self) -> object:
        """Nothing has to be known before."""

    def see(self, _number: int, _mark: object, body: bytes) -> None:
        """An answer; it has a result that cost something."""
        assert b'"cost"' in body, body
        assert b'"error"' not in body, body


def ways(tasks: list[str]) -> dict[str, Ask]:
    """Each way to the same call, of tasks in turn."""

    def plain(number: int) -> bytes:
        return call(tasks[number % len(tasks)], number)

    def keyed(number: int) -> bytes:
        return with_headers(plain(number), Idempotency_Key=uuid4().hex)

    def body_of(number: int) -> dict[str, object]:
        body: dict[str, object] = json.loads(plain(number).partition(b"\r\n\r\n")[2])
        return body

    def mcp(number: int) -> bytes:
        params = {"name": "invoke_agent", "arguments": body_of(number), "_meta": META}
        frame = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
        return with_headers(
            request("POST", "/mcp", frame),
            Accept="application/json, text/event-stream",
            MCP_Protocol_Version=VERSION,
            Mcp_Method="tools/call",
            Mcp_Name="invoke_agent",
        )

    def a2a(number: int) -> bytes:
        body = body_of(number)
        message = {
            "messageId": uuid4().hex,
            "contextId": body["taskId"],
            "role": "ROLE_USER",
            "parts": [{"data": body["payload"]}],
            "metadata": {"agentId": body["agentId"]},
        }
        params = {"message": message}
        frame = {"jsonrpc": "2.0", "id": number, "method": "SendMessage", "params": params}
        return with_headers(request("POST", "/a2a", frame), A2A_Version="1.0")

    return {PLAIN: plain, KEYED: keyed, MCP: mcp, A2A: a2a}


def main() -> None:
    """Measure, and say each median in ms and each ratio."""
    parser = argparse.ArgumentParser(description="What a paid call costs through a door.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=300)
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as place,
        agent() as port,
        marketplace(Path(place), settings=at_instant_agent(port)) as env,
    ):
        here = system("this", env)
        every = ways([make_task(here) for _ in range(100)])
        for ask in every.values():
            answered(drive(here.port, ask, callers=4, calls=WARM, watch=Good()))
        for callers in CALLERS:
            report(callers, measured(here.port, every, callers, asked.rounds, asked.calls))


def measured(
    port: int, every: dict[str, Ask], callers: int, rounds: int, calls: int
) -> dict[str, list[float]]:
    """Medians in ms by way, one a round; nobody is always the first."""
    found: dict[str, list[float]] = {name: [] for name in every}
    for number in range(rounds):
        for name in list(every)[:: -1 if number % 2 else 1]:
            load = drive(port, every[name], callers=callers, calls=calls, watch=Good())
            found[name].append(answered(load).p50_ms)
    return found


def report(callers: int, found: dict[str, list[float]]) -> None:
    """Print what was found."""
    for name, p50 in found.items():
        print(f"{callers:>3} callers  {name:<40} {statistics.median(p50):8.2f} ms")
    for door, api in BESIDE.items():
        ratio = statistics.median(a / b for a, b in zip(found[door], found[api], strict=True))
        well = "" if ratio <= MOST else f", above {MOST}"
        print(f"{callers:>3} callers  {door} / {api}: {ratio:.2f}{well}")


if __name__ == "__main__":
    main()
