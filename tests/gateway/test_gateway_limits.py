"""How large a body may be and how long it may take, over raw connections where it matters."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import ValidationError

from contracts.task import INVOKE_AGENT
from tests.support.gateways import Served, StandIns, assert_problem, gateway_settings, serving

JSON = {"content-type": "application/json"}
POSTS = ("/api/tasks", "/api/invoke-agent", "/api/hubchat/message")
CALL = {"agentId": "translator", "payload": {"text": "hello"}}
LIMIT = 1_048_576


async def chunks(size: int) -> AsyncIterator[bytes]:
    while size > 0:
        yield b" " * min(size, 65_536)
        size -= 65_536


@pytest.mark.parametrize("over", [1, LIMIT, 8 * LIMIT])
async def test_a_body_over_the_limit_is_413(
    http: httpx.AsyncClient, backend: StandIns, over: int
) -> None:
    for path in POSTS:
        announced = await http.post(path, content=b" " * (LIMIT + over), headers=JSON)
        assert_problem(announced, 413, "1048576 bytes")
        chunked = await http.post(path, content=chunks(LIMIT + over), headers=JSON)
        assert_problem(chunked, 413, "1048576 bytes")
    assert backend.asked == []


async def test_a_body_of_just_the_limit_is_taken(
    http: httpx.AsyncClient, backend: StandIns
) -> None:
    body = json.dumps({**CALL, "payload": {"text": ""}})
    full = body.replace('"text": ""', '"text": "' + "a" * (LIMIT - len(body)) + '"')
    assert len(full) == LIMIT
    answer = await http.post("/api/invoke-agent", content=full, headers=JSON)
    assert answer.status_code == 200, answer.text
    assert len(backend.got(INVOKE_AGENT)[0].body.payload["text"]) == LIMIT - len(body)


async def test_a_body_that_swells_over_the_bus_limit_is_refused(
    http: httpx.AsyncClient, backend: StandIns
) -> None:
    """A number takes more room written out; the server would cut off who sends too much."""
    body = b'{"agentId": "a", "payload": {"x": [' + b",".join([b"1e15"] * 200_000) + b"]}}"
    swollen = await http.post("/api/invoke-agent", content=body, headers=JSON)
    assert swollen.status_code in (200, 422), swollen.text  # as large as this server takes
    assert backend.client.is_connected
    assert (await http.get("/api/agents")).status_code == 200


async def test_an_endless_body_does_not_hold_the_connection(served: Served) -> None:
    place = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(
        b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )

    async def pour() -> None:
        while True:
            writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0)  # As long as there is room, `drain` lets nobody read.

    pouring = asyncio.create_task(pour())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in head.lower()
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(pouring, 20)


async def test_a_caller_that_asks_before_it_sends_is_told_at_once(served: Served) -> None:
    place = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(
        b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2000000\r\nExpect: 100-continue\r\n\r\n"
    )
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_does_not_come_is_408(bus_url: str) -> None:
    with serving(gateway_settings(bus_url, body_wait_s=0.2)) as served:
        place = urlsplit(served.url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(
            b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        answer = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408 ")
        # Who hangs up halfway is no trouble either.
        with socket.create_connection((place.hostname or "", place.port or 0)) as half:
            half.sendall(
                b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
            )
        async with served.client() as http:
            assert (await http.get("/ready")).status_code in (200, 503)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "PUT"])
async def test_a_body_has_its_limits_whatever_the_method(bus_url: str, method: str) -> None:
    """Where none is expected, too: it would be read for as long as an answer takes."""
    with serving(gateway_settings(bus_url, body_wait_s=0.2)) as served:
        for path in ("/api/events", "/api/agents", "/docs"):
            place = urlsplit(served.url)
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
            head = (
                f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            writer.write(head.encode())

            async def trickle(writer: asyncio.StreamWriter = writer) -> None:
                with contextlib.suppress(ConnectionError):
                    while True:
                        writer.write(b"1\r\na\r\n")
                        await writer.drain()
                        await asyncio.sleep(0.05)

            trickling = asyncio.create_task(trickle())
            answer = await asyncio.wait_for(reader.read(), 20)
            assert answer.startswith(b"HTTP/1.1 408 ")
            trickling.cancel()
            writer.close()


async def test_who_is_refused_cannot_go_on_sending(bus_url: str) -> None:
    """The door answers before the body came; the connection does not stay for the rest."""
    with serving(gateway_settings(bus_url, auth_mode="token")) as served:
        place = urlsplit(served.url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(
            b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n{"
        )
        answer = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 401 ")


async def test_a_head_that_does_not_end_is_408(bus_url: str) -> None:
    with serving(gateway_settings(bus_url, head_wait_s=0.2)) as served:
        place = urlsplit(served.url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n")
        answer = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408 ")


async def test_silent_connections_keep_nobody_out(bus_url: str) -> None:
    with serving(gateway_settings(bus_url, connections=5)) as served:
        place = urlsplit(served.url)
        silent = [await asyncio.open_connection(place.hostname, place.port) for _ in range(20)]
        async with served.client() as http:
            assert (await http.get("/health")).status_code == 200
        for _, writer in silent:
            writer.close()


POST = (
    b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 1000\r\n\r\n"
)


async def test_all_bodies_together_have_a_limit(bus_url: str) -> None:
    """Unfinished ones count for what has come of them, until they are finished or given up."""
    settings = gateway_settings(bus_url, body_limit=1000, bodies_in_hand=2000)
    with serving(settings) as served:
        place = urlsplit(served.url)
        held = []
        for _ in range(2):
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
            writer.write(POST + b" " * 990)
            held.append((reader, writer))
        async with served.client() as http:
            # The two may not have been read yet.
            answer = await _until_503(http)
            assert_problem(answer, 503, "bodies")
            assert answer.headers["retry-after"] == "1"
            assert answer.headers["connection"] == "close"
            assert (await http.get("/health")).status_code == 200
            small = await http.post("/api/tasks", content=b"{}", headers=JSON)
            assert_problem(small, 422)
            # One hangs up, the other one ends.
            held[0][1].close()
            held[1][1].write(b" " * 10)
            answered = await asyncio.wait_for(held[1][0].readuntil(b"\r\n\r\n"), 20)
            assert answered.startswith((b"HTTP/1.1 422 ", b"HTTP/1.1 400 "))
            for _ in range(5):
                full = await http.post("/api/tasks", content=b" " * 1000, headers=JSON)
                assert full.status_code != 503
            over = await http.post("/api/tasks", content=b" " * 1001, headers=JSON)
            assert_problem(over, 413)
        held[1][1].close()


async def _until_503(http: httpx.AsyncClient) -> httpx.Response:
    async with asyncio.timeout(20):
        while True:
            answer = await http.post("/api/tasks", content=b" " * 900, headers=JSON)
            if answer.status_code == 503:
                return answer


async def test_a_body_that_nobody_reads_is_not_kept(bus_url: str) -> None:
    settings = gateway_settings(bus_url, body_limit=1000, bodies_in_hand=1000)
    with serving(settings) as served:
        place = urlsplit(served.url)
        looking = [await asyncio.open_connection(place.hostname, place.port) for _ in range(5)]
        for reader, writer in looking:
            writer.write(
                b"GET /api/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
                + b" " * 1000
            )
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        async with served.client() as http:
            answer = await http.post("/api/tasks", content=b" " * 1000, headers=JSON)
            assert answer.status_code != 503
        for _, writer in looking:
            writer.close()


def test_one_body_fits_into_what_all_may_have() -> None:
    with pytest.raises(ValidationError, match="BODIES_IN_HAND"):
        gateway_settings("nats://127.0.0.1:1", body_limit=1001, bodies_in_hand=1000)
