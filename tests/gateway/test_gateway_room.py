"""A bus that stores nothing: said by the probes, and nothing is begun until it stores again."""

import asyncio
from pathlib import Path

import nats
import pytest

from contracts.task import CREATE_TASK, LIST_TASKS
from contracts.topology import IDEMPOTENCY
from deploy.local.embedded import embedded_nats_server
from gateway import room
from tests.gateway import samples
from tests.support.gateways import (
    assert_problem,
    gateway_settings,
    serving,
    stand_ins,
    until_answered,
)
from tests.support.stack import declare

ASKED = {"userQuery": "Translate", "requiredSkills": [], "maxBudget": 1}
WORDS = "stores nothing"


async def test_a_bus_that_stores_nothing_refuses_what_would_be_stored(tmp_path: Path) -> None:
    async with embedded_nats_server(tmp_path) as bus, stand_ins(bus.url) as services:
        await declare(bus.url)
        await services.answer(CREATE_TASK, samples.ONE_TASK)
        await services.answer(LIST_TASKS, samples.TASKS)
        with serving(gateway_settings(bus.url)) as served:
            async with served.client() as http:
                await until_answered(http, "/ready", 200)
                assert (await http.post("/api/tasks", json=ASKED)).status_code == 200
                client = await nats.connect(bus.url)
                await client.jetstream().delete_stream(IDEMPOTENCY.stream)
                assert_problem(await until_answered(http, "/ready", 503), 503, WORDS)
                services.asked.clear()
                for headers in ({}, {"Idempotency-Key": "a-key"}):
                    refused = await http.post("/api/tasks", json=ASKED, headers=headers)
                    assert_problem(refused, 503)
                assert_problem(await http.post("/api/tasks", json=ASKED), 503, WORDS)
                assert int((await http.post("/api/tasks", json=ASKED)).headers["retry-after"]) >= 1
                assert services.asked == []
                assert (await http.get("/api/tasks")).status_code == 200
                bus_health = (await http.get("/health")).json()["services"]["bus"]
                assert (bus_health["status"], WORDS in bus_health["detail"]) == ("down", True)

                await declare(bus.url)
                await until_answered(http, "/ready", 200)
                assert (await http.post("/api/tasks", json=ASKED)).status_code == 200
                await client.close()


class Monitor:
    """A NATS server's page about its health, and over how many connections it was asked for."""

    def __init__(self) -> None:
        self.status = b"200 OK"
        self.connections = self.looks = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            self.looks += 1
            writer.write(b"HTTP/1.1 %s\r\ncontent-length: 0\r\n\r\n" % self.status)
        writer.close()


async def test_what_the_server_says_of_its_health_counts_and_is_asked_over_one_connection(
    bus_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "FRESH_S", 0.0)
    monitor = Monitor()
    async with await asyncio.start_server(monitor.serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with serving(gateway_settings(bus_url, nats_monitor_url=url)) as served:
            async with served.client() as http:
                await until_answered(http, "/ready", 200)
                monitor.status = b"503 Service Unavailable"
                assert_problem(await http.get("/ready"), 503, WORDS)
                monitor.status = b"200 OK"
                assert (await http.get("/ready")).status_code == 200
        assert monitor.looks > 2
        assert monitor.connections == 1
