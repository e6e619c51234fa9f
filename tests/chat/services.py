"""The chat service and what it needs around it, as tests run them."""

import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

from chassis.service import Service
from chat_svc.app import build as build_chat
from chat_svc.orchestrator import Orchestrator
from chat_svc.settings import Settings as ChatSettings
from tests.chat.talk import Talk
from tests.conftest import Stack, running
from tests.task.services import payment_service, registry_service, task_service
from tests.task.system import listening


def chat_settings(stack: Stack, **settings: Any) -> ChatSettings:
    """As in production, but quick to look after overdue turns."""
    stores = {"nats_url": stack.nats_url, "database_url": stack.database_url("chat")}
    return ChatSettings.model_validate({**stores, "watch_s": 0.1} | settings)


def chat_service(stack: Stack, **settings: Any) -> Service:
    return build_chat(chat_settings(stack, **settings))


def deciding(stack: Stack, orchestrator: Orchestrator, **settings: Any) -> Service:
    """A chat service with an orchestrator of the test's own."""
    return build_chat(chat_settings(stack, **settings), orchestrator)


@contextlib.asynccontextmanager
async def talking(stack: Stack, payment: Service, registry: Service) -> AsyncIterator[Talk]:
    """A person who talks to services that are run, or not, by the test."""
    async with listening(stack, payment) as system:
        talk = Talk(system, registry)
        # Agents of earlier tests are gone, and no registry has noticed.
        await system.rows("UPDATE registry.agents SET available = false")
        client = await system.bus.client()
        await client.subscribe("bazaar.evt.turn.completed.*", cb=talk.hear)
        yield talk


@contextlib.asynccontextmanager
async def marketplace(stack: Stack) -> AsyncIterator[Talk]:
    """Everything but the chat service, in this process."""
    payment, registry = payment_service(stack), registry_service(stack)
    async with (
        running(registry, payment, task_service(stack, agent_timeout_s=60)),
        talking(stack, payment, registry) as talk,
    ):
        yield talk


def new_skill() -> str:
    """A word for a skill that nobody else has, and that no language knows."""
    return "vq" + "".join(random.choices("bdfghjklmnpqvwxz", k=8))
