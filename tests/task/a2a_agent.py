"""A real A2A agent, written with the a2a-sdk, that does what it is told in words."""

import asyncio
import contextlib
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from a2a.helpers import new_task_from_user_message, new_text_message
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import (
    create_agent_card_routes,
    create_jsonrpc_routes,
    create_rest_routes,
)
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill, Part
from google.protobuf.json_format import MessageToDict, ParseDict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.task.uvicorn_server import serving

FILES = [
    Part(text="See:"),
    Part(url="https://papers.example/a.pdf", filename="a.pdf", media_type="a/pdf"),
    Part(raw=b"x" * 100_000, filename="big.bin", media_type="a/bin"),
    Part(raw=b"tiny", filename="t.txt", media_type="text/plain"),
    ParseDict({"data": {"n": 5, "half": 0.5}}, Part()),
]


@dataclass
class Agent(AgentExecutor):
    """Does by words: "say X", "fail X", "ask X", and so on; "wait" until `go` is set."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    heard: list[dict[str, Any]] = field(default_factory=list)
    runs: Counter[str] = field(default_factory=Counter)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        assert context.message is not None
        message = MessageToDict(context.message)
        self.heard.append(message)
        self.runs[context.message.message_id] += 1
        verb, _, rest = context.get_user_input().partition(" ")
        if verb == "message":
            await event_queue.enqueue_event(new_text_message(rest))
            return
        await event_queue.enqueue_event(new_task_from_user_message(context.message))
        updater = TaskUpdater(event_queue, str(context.task_id), str(context.context_id))
        await updater.start_work(new_text_message("Reading."))
        self.begun.set()
        said = new_text_message(rest) if rest else None
        if verb == "wait":
            await self.go.wait()
        ends: dict[str, Any] = {
            "status": updater.complete,
            "fail": updater.failed,
            "ask": updater.requires_input,
            "auth": updater.requires_auth,
            "reject": updater.reject,
            "cancel": updater.cancel,
        }
        if verb in ends:
            await ends[verb](said)
        elif verb == "raise":
            raise ValueError("the password is hunter2")
        elif verb != "forget":  # Who forgets leaves a task that is WORKING for ever.
            files = {"much": [Part(text="x" * 400_000)], "files": FILES}
            await updater.add_artifact(files.get(verb, [Part(text=rest or "done")]))
            await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        self.cancelled.set()
        updater = TaskUpdater(event_queue, str(context.task_id), str(context.context_id))
        await updater.cancel()


@dataclass
class Served:
    """An agent that listens; `troubles` answer in its stead, one request each."""

    url: str
    agent: Agent
    asked: list[str]
    headers: list[dict[str, str]]
    troubles: list[Response] = field(default_factory=list)


def card(base: str, wire: str, binding: str, *, streaming: bool) -> AgentCard:
    return AgentCard(
        name="Words",
        description="Does what it is told.",
        version="1",
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        capabilities=AgentCapabilities(streaming=streaming),
        skills=[
            AgentSkill(id="talk", name="Talking", description="It talks.", tags=["speech", "talk"])
        ],
        supported_interfaces=[
            AgentInterface(url=f"{base}/", protocol_binding=binding, protocol_version=wire)
        ],
    )


@contextlib.asynccontextmanager
async def a2a_agent(
    wire: str = "1.0", binding: str = "JSONRPC", *, streaming: bool = True, path: str = ""
) -> AsyncIterator[Served]:
    """An agent of this wire on a port of its own."""
    logging.getLogger("a2a").setLevel(logging.CRITICAL)
    agent = Agent()
    served = Served("", agent, [], [])
    app = Starlette()
    async with serving(_noting(app, served)) as origin:
        served.url = f"{origin}{path}"
        described = card(served.url, wire, binding, streaming=streaming)
        handler = DefaultRequestHandler(
            agent_executor=agent, task_store=InMemoryTaskStore(), agent_card=described
        )
        old = wire == "0.3"
        routes: list[BaseRoute] = [*create_agent_card_routes(described)]
        if binding == "JSONRPC":
            routes += create_jsonrpc_routes(handler, "/", enable_v0_3_compat=old)
        else:
            routes += create_rest_routes(handler, enable_v0_3_compat=old)
        app.mount(path or "/", Starlette(routes=routes))
        try:
            yield served
        finally:
            agent.go.set()


def _noting(app: ASGIApp, served: Served) -> ASGIApp:
    async def noted(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await app(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        served.headers.append(dict(request.headers))
        with contextlib.suppress(ValueError):
            served.asked.append(json.loads(body).get("method", scope["path"]))
        if served.troubles and (trouble := served.troubles.pop(0)):
            await trouble(scope, receive, send)
            return
        sent = False

        async def again() -> Any:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await app(scope, again, send)

    return noted
