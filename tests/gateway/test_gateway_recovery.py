"""Without NATS: up, honest about it, and well again by itself."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from contracts.registry import GET_AGENT
from contracts.task import GET_TASK, INVOKE_AGENT
from deploy.local.embedded import EmbeddedServer, embedded_nats_server
from deploy.local.ports import free_port
from gateway.link import Link
from tests.gateway import samples
from tests.gateway.doubles import TaskDouble
from tests.gateway.keyed import CALL, PATH, key
from tests.support.gateways import (
    Served,
    assert_problem,
    gateway_settings,
    serving,
    stand_ins,
    until_answered,
)
from tests.support.polling import until
from tests.support.stack import declare

BUS_DOWN = "The message bus is not reachable."


async def bus_is_missing(served: Served) -> None:
    """Every route says so, at once."""
    async with served.client() as http:
        for path in ("/ready", "/api/agents/translator", "/api/messages"):
            assert_problem(await http.get(path), 503, BUS_DOWN)
        for path, body in (
            ("/api/hubchat/message", {"content": "hello"}),
            ("/api/invoke-agent", {"agentId": "translator", "payload": {}}),
        ):
            assert_problem(await http.post(path, json=body), 503, BUS_DOWN)
        health = await http.get("/health")
        assert health.status_code == 200
        assert health.json()["status"] == "degraded"
        assert health.json()["services"]["gateway"]["status"] == "up"
        for name in ("bus", "registry", "task", "payment", "chat"):
            assert health.json()["services"][name]["status"] == "down"
            assert health.json()["services"][name]["detail"] == BUS_DOWN
        assert served.gateway.turns.waiting == 0


async def works(served: Served, server: EmbeddedServer) -> None:
    """It asks, and it hears events."""
    async with stand_ins(server.url) as services, served.client() as http:
        await until_answered(http, "/ready", 200)
        await services.answer(GET_AGENT, samples.ONE_AGENT)
        assert (await http.get("/api/agents/translator")).json()["id"] == "translator"
        with served.gateway.turns.expect("listening") as ending:
            await services.publish(samples.turn_end("listening"))
            await until(ending.done, "the event was heard")


async def test_nats_comes_goes_and_comes_again(tmp_path: Path) -> None:
    port = free_port()
    with serving(gateway_settings(f"nats://127.0.0.1:{port}")) as served:
        await bus_is_missing(served)
        async with embedded_nats_server(tmp_path, port) as server:
            await declare(server.url)
            await works(served, server)
            for _ in range(2):
                await server.kill()
                async with served.client() as http:
                    await until_answered(http, "/ready", 503)
                await bus_is_missing(served)
                await server.start()
                await works(served, server)


async def test_what_was_asked_before_an_interruption_may_be_answered_after_it(
    tmp_path: Path,
) -> None:
    async with embedded_nats_server(tmp_path) as server:
        await declare(server.url)
        with serving(gateway_settings(server.url)) as served:
            async with stand_ins(server.url) as services, served.client() as http:
                await until_answered(http, "/ready", 200)
                again = asyncio.Event()

                async def later(_request: object) -> object:
                    await again.wait()
                    return samples.ONE_TASK

                await services.answer(GET_TASK, later)
                asking = asyncio.create_task(http.get("/api/tasks/t1"))
                await until(lambda: services.got(GET_TASK), "the request has arrived")
                await server.kill()
                await until(lambda: not services.client.is_connected, "the server is gone")
                await server.start()
                await until_answered(http, "/ready", 200)
                await until(lambda: services.client.is_connected, "the stand-in is back")
                again.set()
                assert (await asking).json()["id"] == "t1"


async def test_a_server_that_throws_the_gateway_out_is_connected_to_again(
    tmp_path: Path,
) -> None:
    """After a protocol error the client gives up for good; a new one takes its place."""
    async with embedded_nats_server(tmp_path) as server:
        await declare(server.url)
        with serving(gateway_settings(server.url)) as served:
            await works(served, server)
            client = served.gateway.link._client
            assert client is not None
            loop = client._reading_task.get_loop()  # type: ignore[union-attr]  # it is connected
            asyncio.run_coroutine_threadsafe(client._process_err("'thrown out'"), loop)
            await until(lambda: client.is_closed, "the connection is closed for good")
            await works(served, server)


@pytest.mark.parametrize("steps", [0, 1, 2, 5, 10, 20, 40])
async def test_it_can_be_closed_at_any_moment_of_connecting(bus_url: str, steps: int) -> None:
    link = Link(gateway_settings(bus_url), {})
    link.open()
    for _ in range(steps):
        await asyncio.sleep(0)
    await asyncio.wait_for(link.close(), 20)
    assert not link.connected


async def test_it_can_be_closed_although_connecting_swallows_the_cancellation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which a library does when it is cancelled in the moment of its success."""

    async def stubborn() -> asyncio.Event:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return asyncio.Event()

    link = Link(gateway_settings("nats://127.0.0.1:1"), {})
    monkeypatch.setattr(link, "_connect", stubborn)
    link.open()
    await asyncio.sleep(0)
    await asyncio.wait_for(link.close(), 20)
    assert link._keeping is not None
    assert link._keeping.done()


async def test_a_request_with_a_key_outlives_the_bus(tmp_path: Path) -> None:
    async with embedded_nats_server(tmp_path) as server:
        await declare(server.url)
        with serving(gateway_settings(server.url)) as served:
            async with stand_ins(server.url) as services, served.client() as http:
                await until_answered(http, "/ready", 200)
                gate = asyncio.Event()
                task = TaskDouble([gate, samples.RESULT])
                await services.answer(INVOKE_AGENT, task)
                same = key()
                asking = asyncio.create_task(http.post(PATH, json=CALL, headers=same))
                await until(lambda: task.tries, "it is carried out")
                await server.kill()
                lost = await asking
                assert_problem(lost, 503)
                assert lost.headers["idempotency-outcome"] == "open"
                await server.start()
                await until_answered(http, "/ready", 200)
                await until(lambda: services.client.is_connected, "the stand-in is back")
                gate.set()
                outcomes = {"open"}
                while outcomes & {"open", "running"}:
                    answer = await http.post(PATH, json=CALL, headers=same)
                    outcomes = {answer.headers["idempotency-outcome"]}
                    await asyncio.sleep(0.1)
                assert (answer.status_code, len(task.tries)) == (200, 1)
