"""Event streams when readers are slow, the bus goes away, or the gateway stops."""

import asyncio
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import nats

from contracts.chat import MessagePosted
from deploy.local.embedded import embedded_nats_server
from tests.gateway.reading import fresh, reading, started, tell
from tests.gateway.test_gateway_process import process
from tests.support.gateways import (
    Served,
    StandIns,
    assert_problem,
    gateway_settings,
    serving,
    until_answered,
)
from tests.support.polling import until
from tests.support.stack import declare

LONG = "x" * 100_000


async def ready(served: Served) -> None:
    async with served.client() as http:
        await until_answered(http, "/ready", 200)


def said(number: int) -> MessagePosted:
    return MessagePosted(message_id=f"m{number}", turn_id=fresh("turn"), role="user", content=LONG)


async def test_a_slow_reader_is_cut_off_and_holds_up_nobody(
    bus_url: str, services: StandIns
) -> None:
    account = fresh("account")
    settings = gateway_settings(
        bus_url, default_account=account, event_buffer=20, event_heartbeat_s=0.05
    )
    with serving(settings) as served:
        await ready(served)
        place = urlsplit(served.url)
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((place.hostname, place.port))
        slow.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: served.gateway.streams.readers == 1, "the slow one reads along")

        async with served.client() as http, reading(http, "/api/events") as quick:
            begin = quick.last_id
            for number in range(100):
                await tell(services.client, said(number), account)
                await quick.until_heard(number + 1)
        everything = [f"m{number}" for number in range(100)]
        assert [event["data"]["messageId"] for event in quick.events] == everything

        slow.settimeout(20)
        got = b""
        while b"too_slow" not in got:
            part = await asyncio.to_thread(slow.recv, 1 << 20)
            assert part, "the slow one was not told"
            got += part
        slow.close()
        seen = [line for line in got.split(b"\n") if line.startswith(b"id: ")][-1]
        heard = got.count(b'"messageId"')
        assert 0 < heard < 100
        async with (
            served.client() as http,
            reading(http, "/api/events", int(seen.removeprefix(b"id: "))) as resumed,
        ):
            await resumed.until_heard(100 - heard)
        assert [event["data"]["messageId"] for event in resumed.events] == everything[heard:]
        assert begin < resumed.ids[0]


async def test_a_reader_that_takes_nothing_is_hung_up_on(bus_url: str, services: StandIns) -> None:
    account = fresh("account")
    settings = gateway_settings(bus_url, default_account=account, event_send_s=0.2)
    with serving(settings) as served:
        await ready(served)
        place = urlsplit(served.url)
        with socket.socket() as stuck:
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stuck.connect((place.hostname, place.port))
            stuck.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await until(lambda: served.gateway.streams.readers == 1, "it reads along")
            for number in range(200):
                await tell(services.client, said(number), account)
            await until(lambda: served.gateway.streams.readers == 0, "it was hung up on")


async def test_a_quiet_stream_shows_that_it_lives_and_moves_on(
    bus_url: str, services: StandIns
) -> None:
    account = fresh("account")
    settings = gateway_settings(bus_url, default_account=account, event_heartbeat_s=0.05)
    with serving(settings) as served:
        await ready(served)
        async with served.client() as http, reading(http, "/api/events") as heard:
            elsewhere = await tell(services.client, started(fresh("task")), "somebody-else")
            await until(lambda: heard.last_id >= elsewhere, "the place has moved on")
            await until(lambda: heard.comments.count("alive") > 1, "signs of life")
        assert heard.events == []


async def test_streams_end_when_the_gateway_stops(bus_url: str) -> None:
    async with process(NATS_URL=bus_url, DRAIN_S="60") as gateway:
        async with (
            reading(gateway.http, "/api/events") as one,
            reading(gateway.http, "/api/hubchat/stream") as two,
        ):
            gateway.service.terminate()
            await until(lambda: one.ended and two.ended, "both ended in good order")
        log = await gateway.end()
    assert one.notices == two.notices == ["stopping"]
    assert gateway.service.popen.returncode == -signal.SIGTERM
    assert {line["level"] for line in log} == {"info"}


async def test_a_killed_gateway_leaves_no_gap(bus_url: str, services: StandIns) -> None:
    task = fresh("task")
    async with (
        process(NATS_URL=bus_url) as first,
        process(NATS_URL=bus_url) as second,
    ):
        async with reading(first.http, "/api/events") as heard:
            await tell(services.client, started(task, 0), "demo")
            await heard.until_heard(1)
            first.service.kill()
            for number in range(1, 20):
                await tell(services.client, started(task, number), "demo")
        async with reading(second.http, "/api/events", heard.last_id) as resumed:
            await resumed.until_heard(20 - len(heard.events))
    assert heard.steps + resumed.steps == [f"s{number}" for number in range(20)]


async def test_the_bus_goes_and_comes_and_no_event_is_missing(tmp_path: Path) -> None:
    async with embedded_nats_server(tmp_path) as server:
        await declare(server.url)
        with serving(gateway_settings(server.url)) as served:
            await ready(served)
            async with served.client() as http, reading(http, "/api/events") as heard:
                client = await nats.connect(server.url)
                await tell(client, started("t1", 0), "demo")
                await heard.until_heard(1)
                await client.close()
                await server.kill()
                await until(lambda: heard.notices == ["bus_lost"], "the loss is told")
                assert_problem(await http.get("/api/events"), 503, "not reachable")
                await server.start()
                client = await nats.connect(server.url)
                for number in range(1, 50):
                    await tell(client, started("t1", number), "demo")
                await heard.until_heard(50)
                await tell(client, started("t1", 50), "demo")
                await heard.until_heard(51)
                assert heard.notices == ["bus_lost", "bus_back"]
                assert heard.steps == [f"s{number}" for number in range(51)]

            # What is no longer kept cannot be told; that much is said.
            await client.jetstream().purge_stream("EVENTS", keep=3)
            async with served.client() as http, reading(http, "/api/events", 5) as late:
                await late.until_heard(3)
            assert (late.notices, late.steps) == (["gap"], ["s48", "s49", "s50"])
            async with served.client() as http, reading(http, "/api/events", 99_999) as odd:
                await odd.until_heard(3)
            assert (odd.notices, odd.steps) == (["gap"], ["s48", "s49", "s50"])
            await client.close()
