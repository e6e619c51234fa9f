"""Tools that ask other services: the agents there are, a lower price, how the task stands."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import structlog

from chassis.bus.calls import Bus
from chassis.db.database import Database
from chassis.handling.patience import Later
from chat_svc import store, store_rounds
from chat_svc.checks import failure
from chat_svc.domain import (
    CHARGE,
    StoredCall,
    charge_id_of,
    negotiation_id_of,
)
from chat_svc.handlers import account
from chat_svc.marketplace import fitting, shown, with_skill
from chat_svc.money import money_left
from chat_svc.settings import Settings
from chat_svc.tools import ListAgents, NegotiatePrice
from chat_svc.turn import finish_task, go_on
from contracts.base import to_micro
from contracts.chat import UseTool
from contracts.envelope import Envelope
from contracts.errors import (
    BadAnswer,
    Conflict,
    Invalid,
    NotFound,
    PaymentRequired,
    TooSlow,
    Unavailable,
)
from contracts.ledger import ENTER_PAYMENT, EnterPayment
from contracts.negotiation import NEGOTIATE, Negotiate, Negotiated
from contracts.task import GET_TASK, LIST_STEPS, GetTask, ListSteps, StepView
from contracts.topology import Durable

log = structlog.get_logger()
FINAL = (Invalid, NotFound, Conflict, PaymentRequired, BadAnswer, TooSlow)
"""Refusals that are the tool's result; after others it is used again."""
LONGEST_RESULT = 2_000
NOT_BEGUN = "No agent was called for this task yet."
TASK_WAIT_S = 0.2


@dataclass(frozen=True, slots=True)
class _Use:
    """A tool call that is to be carried out."""

    bus: Bus
    here: Envelope
    settings: Settings
    turn: store.Found
    call: StoredCall


async def on_use_tool(
    command: UseTool,
    db: Database,
    bus: Bus,
    durable: Durable,
    settings: Settings,
    here: Envelope,
) -> None:
    """Use a tool and keep its result; the turn goes on when it was the last that was awaited.

    What is asked has ids of its own, so that asking twice is asking once.

    Raises:
        Invalid: there is no such call.
        Refusal: a service is away.
    """
    async with db.transaction(reads=True) as tx:
        turn = await store.find_turn(tx.conn, command.turn_id)
        calls = await store_rounds.calls_of(tx.conn, command.turn_id)
    if turn is None or turn.status == "done":
        return
    call = next((call for call in calls if call.id == command.call_id), None)
    if call is None:
        raise Invalid(f"turn {command.turn_id} has no call {command.call_id}")
    if not call.open or (turn.status == "settling" and call.tool != CHARGE):
        return
    try:
        done = await _TOOLS[call.tool](_Use(bus, here, settings, turn, call))
        used = replace(call, content=json.dumps(done, ensure_ascii=False))
    except FINAL as refused:
        used = replace(call, content=failure(refused.message), error=True)
    async with db.effect(durable.name, here) as tx:
        turn = await store.find_turn(tx.conn, command.turn_id, lock=True)
        if turn is None or turn.status == "done":
            return
        calls = await store_rounds.calls_of(tx.conn, turn.id)
        await store_rounds.update_call(tx.conn, turn.id, used)
        calls = [used if one.id == used.id else one for one in calls]
        if used.tool == CHARGE:
            tx.publish(finish_task(turn, calls), account=turn.account)
        else:
            await go_on(tx, turn, calls)


async def _list_agents(use: _Use) -> dict[str, Any]:
    asked = ListAgents.model_validate(use.call.input)
    if asked.skill:
        return shown(await with_skill(use.bus, use.here, asked.skill), asked.skill)
    offered = await fitting(use.bus, use.here, [use.turn.content])
    return shown([one.agent for one in offered], None)


async def _negotiate_price(use: _Use) -> dict[str, Any]:
    asked = NegotiatePrice.model_validate(use.call.input)
    left = await money_left(use.bus, use.turn, use.here)
    if not left:
        raise PaymentRequired("Nothing is left of the budget.")
    question = Negotiate(
        negotiation_id=negotiation_id_of(use.turn.id, use.call.id),
        task_id=use.turn.task_id,
        agent_id=asked.agent_id,
        max_price=min(asked.max_price, left),
        turn_id=use.turn.id,
    )
    return _negotiated(await use.bus.ask(NEGOTIATE, question, use.here))


def _negotiated(ended: Negotiated) -> dict[str, Any]:
    return {
        "negotiation_id": ended.negotiation_id,
        "agreed": ended.agreed,
        "agent_id": ended.agent_id,
        "agent": ended.agent_name,
        "list_price": format(ended.list_price, "f"),
        "price": None if ended.price is None else format(ended.price, "f"),
        "offers": [offer.model_dump(mode="json", by_alias=False) for offer in ended.offers],
        "message": ended.message,
    }


async def _get_task(use: _Use) -> dict[str, Any]:
    about = {"task_id": use.turn.task_id, "budget": format(use.turn.max_budget, "f")}
    try:
        question = GetTask(task_id=use.turn.task_id, with_left=True)
        reply = await use.bus.ask(GET_TASK, question, use.here)
        task = reply.task
        asked = ListSteps(task_id=task.id, limit=100)
        steps = (await use.bus.ask(LIST_STEPS, asked, use.here)).steps
    except NotFound:
        nothing = {"status": "not_begun", "steps": [], "cost": "0", "left": about["budget"]}
        return about | nothing | {"message": NOT_BEGUN}
    # The task hears of a larger budget with the next steps only.
    left = (reply.left or Decimal(0)) + max(Decimal(0), use.turn.max_budget - task.max_budget)
    return about | {
        "status": task.status,
        "steps": [_step(step) for step in steps],
        "cost": format(task.total_cost, "f"),
        "left": format(left, "f"),
    }


def _step(step: StepView) -> dict[str, Any]:
    result = step.result
    if result is not None and len(result) > LONGEST_RESULT:
        result = result[:LONGEST_RESULT] + "…"
    return {
        "step_id": step.id,
        "agent_id": step.agent_id,
        "skill": step.subtask_type,
        "status": step.status,
        "cost": format(step.cost, "f"),
        "external_cost": format(step.external_cost, "f"),
        "result": result,
        "error": step.error,
    }


async def _charge(use: _Use) -> dict[str, Any]:
    """Pay for the language model, as for an agent; not charged when it is not covered.

    Raises:
        Later: the task that it belongs to is not made yet.
        Unavailable: it is not known whether it was paid; asked again, it is paid once.
    """
    try:
        await use.bus.ask(GET_TASK, GetTask(task_id=use.turn.task_id), use.here)
    except NotFound:
        raise Later(TASK_WAIT_S, "the task is not there yet") from None
    except TooSlow as error:
        raise Unavailable(error.message) from error
    amount = to_micro(Decimal(use.call.input["amount"]))
    payment = EnterPayment(
        payment_id=charge_id_of(use.turn.id),
        task_id=use.turn.task_id,
        agent_id=use.settings.llm_account,
        amount=amount,
        max_budget=use.turn.max_budget,
    )
    try:
        await use.bus.ask(ENTER_PAYMENT, payment, use.here)
    except TooSlow as error:
        raise Unavailable(error.message) from error
    except FINAL as refused:
        log.warning("language model not charged", turn_id=use.turn.id, error=refused)
        amount = Decimal(0)
    return {"charged": format(amount, "f")}


_TOOLS: dict[str, Callable[[_Use], Awaitable[dict[str, Any]]]] = {
    "list_agents": _list_agents,
    "negotiate_price": _negotiate_price,
    "get_task": _get_task,
    "get_wallet": lambda use: account.get_wallet(use.bus, use.here),
    "list_tasks": lambda use: account.list_tasks(use.bus, use.here, use.call.input),
    "get_receipt": lambda use: account.get_receipt(use.bus, use.here, use.call.input),
    CHARGE: _charge,
}
