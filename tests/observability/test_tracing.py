"""One trace from an HTTP request to the agent, told by real processes to a collector."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import nats
import pytest

from contracts.registry import GET_AGENT, REGISTER_AGENT
from deploy.local.ports import free_port
from tests.observability.collector import Collector, Span, collecting
from tests.support.clients import http_client
from tests.support.polling import eventually
from tests.support.processes import PROJECT, ServiceProcess, process
from tests.support.scripted_agent import ScriptedAgent
from tests.support.stack import CONTEXTS, Stack
from tests.support.streams import Stored, jetstream, stored

CALLER = "00f067aa0ba902b7"
CHAT = "/api/hubchat/message"
AN_ID = re.compile(r"[0-9a-f]{16}")
ASKED = [
    "task_svc: process bazaar.cmd.task.start",
    "chat_svc: create bazaar.cmd.task.start",
    "chat_svc: process bazaar.cmd.chat.think",
    "chat_svc: create bazaar.cmd.chat.think",
    "chat_svc: answer bazaar.rpc.chat.post_message",
    "gateway: ask bazaar.rpc.chat.post_message",
    f"gateway: POST {CHAT}",
]
"""The way of a wish to the service that carries it out, from the end to the beginning."""
ALONE = """
import asyncio
from contextlib import suppress
from opentelemetry.trace import SpanKind
from chassis.observability import telemetry
from chassis.settings import BusSettings

async def main():
    telemetry.FLUSH_S = 0.2
    telemetry.start(BusSettings(), "alone")
    with suppress(ValueError), telemetry.spanning("work", SpanKind.INTERNAL, CAUSE, {}) as trace:
        print(trace)
        raise ValueError("a password")
    await telemetry.stop()

asyncio.run(main())
"""
"""A process with one span, whose block fails."""
OFF = """
import sys
from chassis.observability import telemetry
from chassis.settings import BusSettings
from gateway.app import create_app
from gateway.settings import Settings
import chassis.service, task_svc.app
telemetry.start(BusSettings(), "x")
create_app(Settings())
sending = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.instrumentation.asgi")
print([name for name in sys.modules if name.startswith(sending)])
"""
"""What sends traces, as far as a process without a collector has imported it."""
TRACE = "4bf92f3577b34da6a3ce929d0e0e4802"
CAUSE = f"00-{TRACE}-{CALLER}-01"


@dataclass
class Running:
    """The five processes, an agent of the test's own, and who collects."""

    http: httpx.AsyncClient
    agent: ScriptedAgent
    skill: str
    processes: dict[str, ServiceProcess]

    async def wish(self, words: str, trace: str) -> dict[str, Any]:
        """Have the agent do something, in a caller's trace; the answer of the chat."""
        headers = {"traceparent": f"00-{trace}-{CALLER}-01"}
        answer = await self.http.post(
            CHAT, json={"content": f"{self.skill} {words}"}, headers=headers
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def stop(self) -> None:
        """SIGTERM to all; each has to end well. (Uvicorn raises the signal again in the end.)"""
        for one in self.processes.values():
            one.terminate()
        for one in self.processes.values():
            assert await one.ends() in {0, -signal.SIGTERM}, one.text()


@asynccontextmanager
async def system(stack: Stack, skill: str, **env: str) -> AsyncIterator[Running]:
    port = free_port()
    async with AsyncExitStack() as up:
        agent = await up.enter_async_context(ScriptedAgent())
        processes = {
            f"{name}_svc": await up.enter_async_context(
                process(
                    f"{name}_svc",
                    NATS_URL=stack.nats_url,
                    DATABASE_URL=stack.database_url(name),
                    ORCHESTRATOR="rules",
                    AGENT_HOSTS="127.0.0.1",
                    **env,
                )
            )
            for name in CONTEXTS
        }
        processes["gateway"] = await up.enter_async_context(
            process("gateway", NATS_URL=stack.nats_url, PORT=port, **env)
        )
        processes["gateway"].port = port
        for one in processes.values():
            await eventually(one.is_ready)
        await listed(stack, skill, agent.url)
        base = f"http://127.0.0.1:{port}"
        http = http_client(base_url=base, timeout=60, trust_env=False)
        yield Running(await up.enter_async_context(http), agent, skill, processes)


async def listed(stack: Stack, skill: str, url: str) -> None:
    """The agent is in the registry, and found to answer."""
    client = await nats.connect(stack.nats_url)
    body = {
        "id": f"agent-{skill}",
        "endpointUrl": url,
        "name": skill.title(),
        "description": f"Can {skill}.",
        "skills": [skill],
        "basePrice": 0.1,
    }
    answer = await client.request(REGISTER_AGENT.subject, json.dumps(body).encode(), timeout=10)
    assert answer.data, answer.headers

    async def available() -> bool:
        question = json.dumps({"agentId": f"agent-{skill}"}).encode()
        reply = await client.request(GET_AGENT.subject, question, timeout=10)
        return bool(json.loads(reply.data)["agent"]["availability"])

    await eventually(available)
    await client.close()


@dataclass
class Told:
    """What came of one wish with traces on, after all processes have stopped."""

    trace: str
    spans: list[Span]
    said: dict[str, Any]
    agent: ScriptedAgent
    collector: Collector
    events: list[Stored]

    def one(self, service: str, name: str) -> Span:
        [span] = [span for span in self.spans if (span.service, span.name) == (service, name)]
        return span

    def path(self, span: Span) -> list[str]:
        """A span and all above it, as far as spans are known."""
        known = {one.id: one for one in self.spans}
        found: list[str] = []
        above: Span | None = span
        while above is not None:
            found.append(f"{above.service}: {above.name}")
            above = known.get(above.parent)
        return found


@pytest.fixture(scope="module")
async def told(stack: Stack) -> AsyncIterator[Told]:
    trace = "4bf92f3577b34da6a3ce929d0e0e4801"
    with collecting() as collector:
        async with system(
            stack,
            "whittle",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            # Longer than the test: what arrives was handed over when the processes stopped.
            OTEL_BSP_SCHEDULE_DELAY="600000",
        ) as running:
            said = await running.wish("a spoon", trace)
            async with jetstream(stack.nats_url) as js:

                async def events() -> list[Stored]:
                    return await stored(js, "EVENTS", f"bazaar.evt.*.*.{said['taskId']}")

                async def settled() -> bool:
                    return "payment.recorded" in {event.type for event in await events()}

                await eventually(settled)
                kept = await events()
            await running.stop()
        yield Told(trace, collector.of(trace), said, running.agent, collector, kept)


def test_one_trace_goes_through_every_service(told: Told) -> None:
    assert {span.service for span in told.spans} == {
        "gateway",
        *(f"{name}_svc" for name in CONTEXTS),
    }
    assert told.collector.strange == []


def test_what_the_agent_is_asked_is_below_what_the_caller_asked(told: Told) -> None:
    execute = told.one("task_svc", "POST /execute")
    assert told.path(execute) == ["task_svc: POST /execute", *ASKED]
    assert told.one("gateway", f"POST {CHAT}").parent == CALLER
    [call] = told.agent.calls
    assert call.headers["traceparent"] == f"00-{told.trace}-{execute.id}-01"


def test_what_a_service_asks_another_is_one_call_with_two_sides(told: Told) -> None:
    hold = told.one("payment_svc", "answer bazaar.rpc.payment.place_hold")
    assert told.path(hold)[1:] == ["task_svc: ask bazaar.rpc.payment.place_hold", *ASKED]
    quote = told.one("registry_svc", "answer bazaar.rpc.registry.get_agent")
    assert told.path(quote)[1:] == ["task_svc: ask bazaar.rpc.registry.get_agent", *ASKED]
    for span in told.spans:
        if span.kind == "CLIENT":
            assert span.attributes["bazaar.outcome"] == 200


def test_who_handles_a_message_is_below_who_made_it(told: Told) -> None:
    made = {span.id: span for span in told.spans if span.kind == "PRODUCER"}
    handled = [span for span in told.spans if span.kind == "CONSUMER"]
    assert {span.service for span in handled} == {f"{name}_svc" for name in CONTEXTS}
    for span in handled:
        maker = made[span.parent]
        assert maker.attributes["messaging.message.id"] == span.attributes["messaging.message.id"]
        assert maker.begun <= span.begun <= span.ended
        assert span.attributes["bazaar.outcome"] == "done"
        assert not span.failed


def test_an_event_in_the_stream_names_the_span_that_made_it(told: Told) -> None:
    made = {
        span.attributes["messaging.message.id"]: span
        for span in told.spans
        if span.kind == "PRODUCER"
    }
    assert {"task.created", "step.completed", "payment.recorded"} <= {e.type for e in told.events}
    for event in told.events:
        maker = made[event.headers["ce-id"]]
        assert event.headers["traceparent"] == f"00-{told.trace}-{maker.id}-01"
        assert maker.attributes["messaging.destination.name"] == event.subject


def test_ids_are_in_attributes_and_never_in_names(told: Told) -> None:
    assert [span.name for span in told.collector.spans if AN_ID.search(span.name)] == []
    assert not any("agent-whittle" in span.name for span in told.collector.spans)
    created = told.one("task_svc", "create bazaar.evt.task.created")
    assert str(created.attributes["messaging.destination.name"]).endswith(told.said["taskId"])


def test_nobody_traces_pings_and_probes(told: Told) -> None:
    names = {span.name for span in told.collector.spans}
    assert not [name for name in names if "ping" in name or "ready" in name or "health" in name]


def alone(**env: str) -> str:
    """Run a process with one span; the `traceparent` that it had."""
    return printed(ALONE.replace("CAUSE", repr(CAUSE)), **env)


def printed(code: str, **env: str) -> str:
    """What a process of its own prints; it has to end well."""
    ran = subprocess.run(  # noqa: S603  (this interpreter, with a constant of this file)
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(PROJECT), **env},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return ran.stdout.strip()


def test_the_sampler_is_what_the_usual_variables_say() -> None:
    with collecting() as collector:
        on = alone(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        off = alone(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_TRACES_SAMPLER="always_off")
    [span] = collector.spans
    assert on == f"00-{TRACE}-{span.id}-01"
    assert off.startswith(f"00-{TRACE}-")
    assert off.endswith("-00")


def test_a_span_tells_that_its_block_failed_and_not_what_the_error_says() -> None:
    with collecting() as collector:
        alone(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    [span] = collector.spans
    assert span.failed
    assert span.why == "ValueError"
    assert "password" not in collector.heard


def test_a_process_ends_also_when_nobody_collects() -> None:
    assert alone(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9").startswith(f"00-{TRACE}-")


def test_without_a_collector_a_trace_is_passed_on_as_it_came() -> None:
    assert alone() == CAUSE


def test_without_a_collector_the_sdk_is_not_even_imported() -> None:
    assert printed(OFF) == "[]"
