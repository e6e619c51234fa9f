"""The least that speaks HTTP/1.1: an agent that answers at once, and a client that only counts.

Both take next to no processor time, so that a measurement is of the servers and not of these.

    python -m bench.wire PORT [HOST]

is the agent as a process of its own. It counts its answers to /health: GET /probes tells. It has
the card of an A2A agent as well, named by where it was asked for.
"""

import asyncio
import json
import sys
from contextlib import suppress
from typing import cast

import uvloop

ANSWER = json.dumps(
    {
        "result": "done",
        "cost": 0.01,
        "subtask_type": "instant",
        "requires_external_tool": False,
        "external_cost": 0,
    }
).encode()
OK = 200
HEALTH = b'{"status": "healthy", "agent": "instant"}'
INFO = json.dumps(
    {"name": "Instant", "description": "Answers at once", "skills": ["instant"], "base_price": 0.01}
).encode()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def _card(head: bytes) -> bytes:
    """The card of the A2A agent at a host and under a path, as it is asked for."""
    _, _, rest = head.lower().partition(b"\r\nhost:")
    path = head.split(b" ", 2)[1].partition(b"/.well-known")[0].decode()
    at = rest.partition(b"\r\n")[0].strip().decode() + path
    skill = {"id": "instant", "name": "Instant", "description": "", "tags": ["instant"]}
    card = {
        "name": f"Instant at {at}",
        "description": "Answers at once.",
        "version": "1",
        "protocolVersion": "0.3.0",
        "preferredTransport": "JSONRPC",
        "url": f"http://{at}",
        "capabilities": {},
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": [skill],
    }
    return json.dumps(card).encode()


class _Agent(asyncio.Protocol):
    """A connection of a caller; agents may live under any path."""

    probes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it.
        self._got = b""

    def data_received(self, data: bytes) -> None:
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            head = self._got[:end]
            whole = end + 4 + _length(head)
            if len(self._got) < whole:
                return
            self._got = self._got[whole:]
            name = head.split(b" ", 2)[1].rpartition(b"/")[2]
            body = _card(head) if name == b"agent-card.json" else self._answer(name)
            self._transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
                + str(len(body)).encode()
                + b"\r\n\r\n"
                + body
            )

    def _answer(self, name: bytes) -> bytes:
        if name == b"health":
            _Agent.probes += 1
            return HEALTH
        if name == b"probes":
            return str(_Agent.probes).encode()
        return INFO if name == b"info" else ANSWER


async def instant_agent(port: int, host: str = "127.0.0.1") -> asyncio.Server:
    """An agent on `host`:`port` whose work takes no time and costs 0.01 BazaarBucks."""
    return await asyncio.get_running_loop().create_server(_Agent, host, port, backlog=4096)


def request(method: str, path: str, body: dict[str, object] | None = None) -> bytes:
    """A request as it is sent."""
    head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\n"
    if body is None:
        return f"{head}\r\n".encode()
    payload = json.dumps(body).encode()
    about = f"content-type: application/json\r\ncontent-length: {len(payload)}\r\n\r\n"
    return f"{head}{about}".encode() + payload


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: bytes
) -> tuple[int, bytes]:
    """Send a request on an open connection; the status and the body of the answer."""
    writer.write(asked)
    head = await reader.readuntil(b"\r\n\r\n")
    return int(head[9:12]), await reader.readexactly(_length(head))


async def _serve(port: str, host: str = "127.0.0.1") -> None:
    async with await instant_agent(int(port), host) as server:
        print("listens", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        uvloop.run(_serve(*sys.argv[1:]))
