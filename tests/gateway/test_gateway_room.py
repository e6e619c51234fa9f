"""A bus that stores nothing: said by the probes, and nothing is begun until it stores again."""

from pathlib import Path

import nats

from contracts.task import CREATE_TASK, LIST_TASKS
from contracts.topology import IDEMPOTENCY
from deploy.local.embedded import embedded_nats_server
from tests.conftest import declare
from tests.gateway import samples
from tests.gateway.helpers import (
    assert_problem,
    gateway_settings,
    serving,
    stand_ins,
    until_answered,
)

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
