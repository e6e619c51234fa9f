"""The least that speaks HTTP/1.1: an agent that answers at once, and a client that only counts.

Both take next to no processor time, so that a measurement is of the servers and not of these.
"""

import asyncio
import json
import time

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


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(_length(head))
            path = head.split(b" ", 2)[1]
            body = {b"/health": HEALTH, b"/info": INFO}.get(path, ANSWER)
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
                + str(len(body)).encode()
                + b"\r\n\r\n"
                + body
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        writer.close()


async def instant_agent(port: int) -> asyncio.Server:
    """An agent on 127.0.0.1:`port` whose work takes no time and costs 0.01 BazaarBucks."""
    return await asyncio.start_server(_serve, "127.0.0.1", port)


def request(method: str, path: str, body: dict[str, object] | None = None) -> bytes:
    """A request as it is sent."""
    payload = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(payload)}\r\n\r\n".encode() + payload


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: bytes
) -> tuple[int, bytes]:
    """Send a request on an open connection; the status and the body of the answer."""
    writer.write(asked)
    head = await reader.readuntil(b"\r\n\r\n")
    return int(head[9:12]), await reader.readexactly(_length(head))


async def caller(port: int, path: str, body: dict[str, object], calls: int) -> list[float]:
    """Post `body` `calls` times over one connection; seconds that each call took.

    Raises:
        RuntimeError: an answer was not 200.
    """
    asked = request("POST", path, body)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    for _ in range(calls):
        began = time.perf_counter()
        status, answer = await exchange(reader, writer, asked)
        took.append(time.perf_counter() - began)
        if status != OK:
            raise RuntimeError(answer.decode())
    writer.close()
    return took
