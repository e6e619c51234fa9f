"""Every message and API model there is, found in the modules that define them."""

from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any, TypeVar

from contracts import (
    api,
    approvals,
    bodies,
    cancelling,
    cards,
    changes,
    chat,
    credentials,
    disputes,
    hands,
    hooks,
    ledger,
    letters,
    listings,
    machine,
    negotiation,
    orders,
    payment,
    pushes,
    quotes,
    registry,
    selling,
    signing,
    spending,
    standing,
    task,
    task_events,
    turns,
)
from contracts.base import Call, Command, Event, Model, TaskEvent, ping_call

CONTEXTS: dict[str, tuple[ModuleType, ...]] = {
    "registry": (registry, listings),
    "task": (
        task,
        task_events,
        orders,
        negotiation,
        quotes,
        cancelling,
        standing,
        signing,
        credentials,
    ),
    "payment": (
        payment,
        ledger,
        cards,
        spending,
        approvals,
        selling,
        hooks,
        pushes,
        disputes,
        machine,
    ),
    "chat": (chat, turns),
}
"""The contexts that own messages, each with the modules that define them."""

_BASES = (Event, TaskEvent, Command, task_events.TaskEnded)
MessageT = TypeVar("MessageT", bound=Model)


def _kinds(modules: Iterable[ModuleType], base: type[MessageT]) -> Iterator[type[MessageT]]:
    for module in modules:
        for thing in vars(module).values():
            if isinstance(thing, type) and issubclass(thing, base) and thing not in _BASES:
                yield thing


def _calls(context: str, modules: Iterable[ModuleType]) -> Iterator[Call[Any, Any]]:
    yield ping_call(context)
    for module in modules:
        yield from (thing for thing in vars(module).values() if isinstance(thing, Call))


EVENTS: dict[str, tuple[type[Event], ...]] = {
    context: tuple(_kinds(modules, Event)) for context, modules in CONTEXTS.items()
}
"""What happened, by the context that publishes it."""

COMMANDS: dict[str, tuple[type[Command], ...]] = {
    context: tuple(_kinds(modules, Command)) for context, modules in CONTEXTS.items()
}
"""Durable orders, by the context that carries them out."""

CALLS: dict[str, tuple[Call[Any, Any], ...]] = {
    context: tuple(_calls(context, modules)) for context, modules in CONTEXTS.items()
}
"""Requests with their replies, by the context that answers."""

HINTS: tuple[type[Model], ...] = (changes.Changed, hands.WhoHas, hands.InHand)
"""What only passes, on core NATS: every context has subjects of its own for it."""

API_BODIES: tuple[type[Model], ...] = (
    bodies.NewTask,
    bodies.Invocation,
    bodies.NewQuote,
    bodies.NewSession,
    bodies.NewKey,
    bodies.ChatInput,
    bodies.NewPayment,
    bodies.Refund,
    bodies.CardRefund,
    bodies.OpenCheckout,
    bodies.NewListing,
    bodies.ListingChange,
    bodies.Suspension,
    bodies.Import,
    bodies.Stars,
    bodies.NewPayout,
    bodies.Destination,
    bodies.NewDispute,
    bodies.DisputeNote,
    bodies.Decision,
    bodies.NewWebhook,
    bodies.Replay,
    bodies.NewPush,
    bodies.GivenCredential,
)
"""What the UI sends to the gateway."""

API_ANSWERS: tuple[type[Model], ...] = (
    api.Agent,
    api.Choice,
    api.Task,
    api.TaskStep,
    api.BazaarBucksPayment,
    api.StripePayment,
    api.Wallet,
    api.LedgerEntry,
    api.Receipt,
    registry.TaskRating,
    api.Seller,
    api.Earnings,
    api.Payout,
    api.Onboarding,
    api.Dispute,
    hooks.WebhookView,
    hooks.DeliveryView,
    hooks.Replayed,
    cards.Checkout,
    api.Message,
    api.Cancellation,
    api.AgentCredential,
    letters.DeadLetter,
    letters.WholeDeadLetter,
    letters.SentAgain,
    api.InvocationResult,
    api.Quote,
    api.Credential,
    api.NewCredential,
    api.Approval,
    api.ChatAnswer,
    api.Health,
    api.Problem,
    api.PaymentProblem,
)
"""What the gateway answers; lists are bare arrays of these."""
