"""Agents of the tests' own: real HTTP, listed in the running system as anybody would."""

import asyncio
import json
import threading
import uuid
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Self

from fastapi import FastAPI
from nats.aio.client import Client
from starlette.responses import JSONResponse

from agents.service import Agent, Answer, Payload, Text, build_app
from contracts.envelope import ERROR_TEXT
from contracts.registry import GET_AGENT, REGISTER_AGENT
from tests.agents.serving import served
from tests.support.polling import insist

Json = dict[str, Any]
REGISTER_S = 10.0
WORK_S = 0.4
GATE_S = 60.0
LOOPBACK = "127.0.0.1"


class Task(Payload):
    """What to do."""

    text: Text


Work = Callable[[str], Awaitable[str]]


async def at_once(text: str) -> str:
    """Work that takes no time."""
    return f"done with {text}"


class Gate:
    """Opens once. Agents run in threads of their own, so any event loop may wait for it."""

    def __init__(self) -> None:
        self._opened = threading.Event()

    def open(self) -> None:
        """Let everybody through."""
        self._opened.set()

    async def passed(self) -> None:
        """Wait until it is open."""
        await asyncio.to_thread(self._opened.wait, GATE_S)


@dataclass
class OwnAgent:
    """An agent that a test runs.

    Attributes:
        work: from the text that it is given to its result; a test may change it at any time.
        refuses: an HTTP status to answer every call with, instead of working.
        calls: the texts that it was called with.
        working: how many calls it is at work on.
        ending: open once it is being stopped, so that work without an end can end.
    """

    id: str
    skill: str
    price: str
    work: Work = at_once
    refuses: int | None = None
    calls: list[str] = field(default_factory=list)
    working: int = 0
    url: str = ""
    ending: Gate = field(default_factory=Gate, repr=False)
    serving: ExitStack = field(default_factory=ExitStack, repr=False)

    @property
    def name(self) -> str:
        """Its display name."""
        return f"{self.id.title()} Agent"

    def app(self) -> FastAPI:
        """Its service, as the six agents of the marketplace are made."""
        price = Decimal(self.price)

        async def execute(task: Task) -> Answer:
            self.calls.append(task.text)
            self.working += 1
            try:
                return Answer(await self.work(task.text), price, self.skill, "test")
            finally:
                self.working -= 1

        async def engine() -> str:
            return "test"

        app = build_app(
            Agent(
                agent_type=self.id,
                name=self.name,
                description=f"Does {self.skill} for the tests.",
                skills=(self.skill,),
                base_price=price,
                payload=Task,
                execute=execute,
                engine=engine,
            )
        )

        @app.middleware("http")
        async def refuse(request: Any, call_next: Any) -> Any:
            if self.refuses and request.url.path == "/execute":
                self.calls.append("refused")
                return JSONResponse({"detail": "not today"}, self.refuses)
            return await call_next(request)

        return app

    async def is_at_work(self) -> bool:
        """Whether it is in the middle of a call."""
        return self.working > 0

    def stop(self) -> None:
        """Nobody answers at its address any more."""
        self.ending.open()
        self.serving.close()


class Market:
    """Lists agents of a test in the running system; their services end with the test."""

    def __init__(self, bus: Client, host: str) -> None:
        """List over `bus`; agents are reached at `host`."""
        self._bus = bus
        self._host = host
        self._agents: list[OwnAgent] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for agent in self._agents:
            await asyncio.to_thread(agent.stop)

    async def agent(self, skill: str, price: str = "0.1", work: Work = at_once) -> OwnAgent:
        """A new agent, running, listed, and found available."""
        agent = OwnAgent(f"{skill}-{uuid.uuid4().hex[:8]}", skill, price, work)
        listen = LOOPBACK if self._host == LOOPBACK else "0.0.0.0"  # noqa: S104  (from a container)
        client = agent.serving.enter_context(served(agent.app(), listen))
        self._agents.append(agent)
        agent.url = f"http://{self._host}:{client.base_url.port}"
        await self.register(agent.id, agent.url)
        await insist(lambda: self._is_available(agent.id))
        return agent

    async def slow_agent(self, skill: str) -> OwnAgent:
        """A new agent that is at work for a while, so that something can happen meanwhile."""

        async def work(text: str) -> str:
            await asyncio.sleep(WORK_S)
            return f"done with {text}"

        return await self.agent(skill, work=work)

    async def _is_available(self, id_: str) -> bool:
        question = json.dumps({"agentId": id_}).encode()
        answer = await self._bus.request(GET_AGENT.subject, question, timeout=REGISTER_S)
        available: bool = json.loads(answer.data)["agent"]["availability"]
        return available

    async def register(self, id_: str, url: str, **more: Any) -> Json:
        """The registry's answer when asked to list an agent; an AssertionError if it refuses."""
        body = json.dumps({"id": id_, "endpointUrl": url, **more}).encode()
        answer = await self._bus.request(REGISTER_AGENT.subject, body, timeout=REGISTER_S)
        assert answer.data, (answer.headers or {}).get(ERROR_TEXT)
        found: Json = json.loads(answer.data)["agent"]
        return found


def new_skill(word: str) -> str:
    """A skill that no other test asks for."""
    return f"{word}{uuid.uuid4().hex[:6]}"
