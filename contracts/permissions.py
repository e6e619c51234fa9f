"""Who may do what on the bus: what each of its users asks, orders and hears.

A context publishes its own events, orders what `ORDERS` says, answers its own requests, asks what
`ASKS` says, and reads its own durables. Its replies come to inboxes of its own. Whatever is not
named here, the server refuses: what it is told follows from this (`contracts.authorization`).
"""

from typing import Any

from contracts import (
    approvals,
    changes,
    chat,
    ledger,
    listings,
    machine,
    negotiation,
    orders,
    payment,
    registry,
    spending,
    standing,
    task,
    turns,
)
from contracts.base import Call, Command, ping_call
from contracts.catalogue import CALLS
from contracts.topology import API_KEYS, DURABLES, TASK_ADD_STEPS, TASK_FINISH, TASK_START
from contracts.users import ADMIN, CONTEXTS, GATEWAY, KEEPER, OPERATOR

LOOKING = "bazaar.look"
"""Requests that the keeper answers to whoever may only look (`chassis.keeping.looking`)."""
FORGET = "bazaar.keep.forget"
"""A request of the chat service that the keeper answers (`chassis.keeping.forgetting`)."""
LETTERS = "bazaar.keep.dead_letters"
"""Requests of the gateway's administrators that the keeper answers (`chassis.keeping.letters`)."""
REFUSED = f"{LOOKING}.streams"
"""Where requests to JetStream come to that somebody makes who may only look."""

BETWEEN_SERVICES: tuple[Call[Any, Any], ...] = (
    payment.PLACE_HOLD,
    payment.EXTEND_HOLD,
    payment.GET_TASK_ACCOUNT,
    machine.PAY_AGENT,
    approvals.ASK_APPROVAL,
    ledger.OPEN_WALLET,
    registry.REGISTER_AGENT,
    spending.CLOSE_ACCOUNT,
    listings.CLOSE_LISTINGS,
    negotiation.NEGOTIATE,
    standing.TELL_ENDS,
    standing.COUNT_RUNNING,
    standing.WHAT_WAS_HEARD,
    turns.ORDER_ENDS,
)
"""What the gateway has no business to ask; opening wallets, listing agents and
closing accounts are an admin's."""

ASKS: dict[str, tuple[Call[Any, Any], ...]] = {
    "registry": (standing.COUNT_RUNNING,),
    "task": (
        registry.GET_AGENT,
        payment.PLACE_HOLD,
        payment.EXTEND_HOLD,
        payment.GET_TASK_ACCOUNT,
        machine.PAY_AGENT,
        approvals.ASK_APPROVAL,
        ledger.GET_RECEIPT,
        turns.ORDER_ENDS,
    ),
    "payment": (
        standing.TELL_ENDS,
        standing.WHAT_WAS_HEARD,
        task.GET_TASK,
        task.LIST_STEPS,
        turns.GET_TURN,
    ),
    "chat": (
        registry.LIST_AGENTS,
        listings.CHOOSE_AGENTS,
        task.GET_TASK,
        task.LIST_STEPS,
        standing.TELL_ENDS,
        negotiation.NEGOTIATE,
        ledger.ENTER_PAYMENT,
        ledger.GET_WALLET,
        ledger.GET_RECEIPT,
        task.LIST_TASKS,
    ),
    GATEWAY: tuple(
        call for calls in CALLS.values() for call in calls if call not in BETWEEN_SERVICES
    ),
    OPERATOR: (),
    KEEPER: (registry.LIST_AGENTS, *(ping_call(context) for context in CONTEXTS)),
    ADMIN: tuple(call for calls in CALLS.values() for call in calls),
}
"""The requests that each may send. Whoever asks a service may also ping it.

The operator asks the keeper alone, who asks for him: a crowd that looks is no crowd to a service.
"""

ORDERS: dict[str, tuple[type[Command], ...]] = {
    "registry": (),
    "task": (),
    "payment": (),
    "chat": (chat.Think, chat.UseTool, orders.StartTask, orders.AddSteps, orders.FinishTask),
}
"""The commands that each may send."""

HEARS: dict[str, tuple[str, ...]] = {
    "registry": (),
    "task": ("bazaar.evt.agent.*.*",),
    "payment": (),
    "chat": tuple(
        f"bazaar.dlq.{durable.name}"
        for durable in DURABLES
        if durable.context == "chat" or durable in (TASK_START, TASK_ADD_STEPS, TASK_FINISH)
    ),
    GATEWAY: ("bazaar.evt.>", f"$KV.{API_KEYS.name}.*", changes.ALL),
    OPERATOR: ("bazaar.evt.>", "bazaar.dlq.*"),
}
"""The subjects that each may listen to as they pass, beside what it answers.

Chat hears of the dead letters of its turns, so that whoever waits for one is told.
"""

ANSWERS_FOR_THE_DEAD = ("task",)
"""Who may answer requests without having received them, in a dead replica's stead.

Such a request came from another account, so the server made up where its reply goes (`_R_`), and
nobody can guess it.
"""
