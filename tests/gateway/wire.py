"""A connection to a gateway whose cache is in use, as bytes."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from contracts.catalogue import CONTEXTS
from gateway.again import RepeatingProtocol
from tests.gateway.telling import until_kept
from tests.support.gateways import Served, gateway_settings, serving, until_answered

OWN = ("date", "x-request-id")
"""Headers that no two answers share."""


@dataclass
class Wire:
    """A connection, as bytes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, *parts: bytes) -> httpx.Response:
        """What is answered to what is sent, part by part."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
        return await self.read()

    async def read(self) -> httpx.Response:
        """The next answer."""
        async with asyncio.timeout(20):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").strip().split("\r\n")
            headers = [(name, value) for name, _, value in (one.partition(": ") for one in lines)]
            length = int(dict(headers).get("content-length", 0))
            body = await self.reader.readexactly(length)
        return httpx.Response(int(first.split()[1]), headers=headers, content=body)


@asynccontextmanager
async def connected(served: Served) -> AsyncIterator[Wire]:
    place = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def gateway(bus_url: str, **more: Any) -> AsyncIterator[Served]:
    """One whose cache is in use."""
    with serving(gateway_settings(bus_url, **more)) as served:
        async with served.client() as http:
            await until_answered(http, "/ready", 200)
        await until_kept(served, *CONTEXTS)
        yield served


def get(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]).encode()


async def repeats(served: Served) -> float:
    """How many answers were given again so."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(served.metrics_url)).text
    lines = [line for line in text.splitlines() if line.startswith("bazaar_http_cache_total")]
    return sum(float(line.split()[-1]) for line in lines if 'outcome="again"' in line)


def shown(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """All of an answer but what is its own, in its order."""
    headers = [one for one in answer.headers.multi_items() if one[0] not in OWN]
    return answer.status_code, headers, answer.content


def other_end(wire: Wire) -> RepeatingProtocol:
    """The gateway's end of a connection."""
    mine = wire.writer.get_extra_info("sockname")
    (found,) = (
        one for one in gc.get_objects() if isinstance(one, RepeatingProtocol) and one.client == mine
    )
    return found
