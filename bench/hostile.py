"""Agents that answer to be a burden, as a process of its own: `python -m bench.hostile`.

Prints a line for each kind: its name, and the port of 127.0.0.1 that it listens on. Each kind says
in /health and /info that all is well, unless its mischief is there. It is told to the system to
run behind everything else, so that what is measured is not its own hunger for processor time.
"""

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable

from bench.wire import ANSWER, HEALTH

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
HONEST_S = 0.05
"""How long an honest part of it takes to answer."""

Mischief = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def pieces(writer: asyncio.StreamWriter) -> None:
    """Chunks of one byte, without an end, as fast as they are taken."""
    writer.write(CHUNKED)
    while True:
        writer.write(b"1\r\n \r\n" * 2_000)
        await writer.drain()


async def trickle(writer: asyncio.StreamWriter) -> None:
    """Chunks of one byte, each sent by itself."""
    writer.write(CHUNKED)
    while True:
        for _ in range(10):
            writer.write(b"1\r\n \r\n")
            await asyncio.sleep(0)
        await writer.drain()
        await asyncio.sleep(0.001)


async def interim(writer: asyncio.StreamWriter) -> None:
    """Interim answers without an end."""
    while True:
        writer.write(INTERIM * 500)
        await writer.drain()


async def whole(writer: asyncio.StreamWriter) -> None:
    """A proper answer in as many single-byte chunks as its bytes."""
    writer.write(CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in ANSWER) + b"0\r\n\r\n")
    await writer.drain()


KINDS: dict[str, Mischief] = {
    "pieces": pieces,
    "trickle": trickle,
    "interim": interim,
    "whole": whole,
}


def _info(name: str) -> bytes:
    return json.dumps(
        {"name": name, "description": "A burden", "skills": [name], "base_price": 0.01}
    ).encode()


def _serve(
    name: str, mischief: Mischief
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    told: set[bytes] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            route = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]
            # Honest once, so that it is listed as available; then every probe is a burden too.
            if route in {b"/health", b"/info"} and (route not in told or name == "whole"):
                told.add(route)
                body = HEALTH if route == b"/health" else _info(name)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
            else:
                await mischief(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return serve


async def main() -> None:
    """Serve all kinds until the process is ended."""
    os.nice(19)
    for name, mischief in KINDS.items():
        server = await asyncio.start_server(_serve(name, mischief), "127.0.0.1", 0)
        print(name, server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # Hanging up on them is what is wanted.
    asyncio.run(main())
