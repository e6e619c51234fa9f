"""Every message and API model there is, found in the modules that define them."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any, TypeVar

from contracts import api, chat, payment, registry, task
from contracts.base import Call, Command, Event, Model, TaskEvent, ping_call

CONTEXTS: dict[str, ModuleType] = {
    "registry": registry,
    "task": task,
    "payment": payment,
    "chat": chat,
}
"""The contexts that own messages, each with the module that defines them."""

_BASES = (Event, TaskEvent, Command, task.TaskEnded)
MessageT = TypeVar("MessageT", bound=Model)


def _kinds(module: ModuleType, base: type[MessageT]) -> Iterator[type[MessageT]]:
    for thing in vars(module).values():
        if isinstance(thing, type) and issubclass(thing, base) and thing not in _BASES:
            yield thing


def _calls(context: str, module: ModuleType) -> Iterator[Call[Any, Any]]:
    yield ping_call(context)
    yield from (thing for thing in vars(module).values() if isinstance(thing, Call))


EVENTS: dict[str, tuple[type[Event], ...]] = {
    context: tuple(_kinds(module, Event)) for context, module in CONTEXTS.items()
}
"""What happened, by the context that publishes it."""

COMMANDS: dict[str, tuple[type[Command], ...]] = {
    context: tuple(_kinds(module, Command)) for context, module in CONTEXTS.items()
}
"""Durable orders, by the context that carries them out."""

CALLS: dict[str, tuple[Call[Any, Any], ...]] = {
    context: tuple(_calls(context, module)) for context, module in CONTEXTS.items()
}
"""Requests with their replies, by the context that answers."""

API_BODIES: tuple[type[Model], ...] = (api.NewTask, api.Invocation, api.ChatInput)
"""What the UI sends to the gateway."""

API_ANSWERS: tuple[type[Model], ...] = (
    api.Agent,
    api.Task,
    api.TaskStep,
    api.BazaarBucksPayment,
    api.StripePayment,
    api.Message,
    api.InvocationResult,
    api.ChatAnswer,
    api.Health,
    api.Problem,
)
"""What the gateway answers; lists are bare arrays of these."""
