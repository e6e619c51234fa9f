"""What the chat service needs around it, as tests run it."""

import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

from chassis.service import Service
from chat_svc.app import build as build_chat
from chat_svc.orchestrator import Orchestrator
from tests.support.services import chat_settings, payment_service, registry_service, task_service
from tests.support.stack import Stack, running
from tests.support.system import listening
from tests.support.talk import Talk


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
