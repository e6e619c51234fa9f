"""How a turn goes on: the next move, the order to end its task, the assistant's message."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from chassis.bus.envelopes import derived_id, new_id
from chassis.db.transaction import Transaction
from chat_svc import store, store_rounds
from chat_svc.domain import CHARGE, CHARGE_ID, StoredCall, message_id_of, outcome, readable
from chat_svc.orchestrator import Tokens
from chat_svc.prices import Price, usage
from chat_svc.settings import Settings
from chat_svc.telling import what_was_done
from contracts.chat import (
    CostBreakdown,
    LlmUse,
    MessagePosted,
    MessageView,
    Refused,
    Think,
    TurnCompleted,
    UseTool,
)
from contracts.orders import AddSteps, FinishTask, StartTask, StepSpec


async def go_on(tx: Transaction, turn: store.Found, calls: Sequence[StoredCall]) -> None:
    """Take the next step of a turn, if it is due, after something came of one of its calls.

    Args:
        tx: a transaction in which the turn's row is locked.
        turn: not done yet.
        calls: all of the turn, as they are now.
    """
    if is_due(turn, calls):
        await store.update_turn(tx.conn, turn.id, status="thinking")
        think(tx, turn)


def is_due(turn: store.Found, calls: Sequence[StoredCall]) -> bool:
    """Whether a turn's next move is due: nothing of its last one is awaited any more."""
    return turn.status == "acting" and not any(
        call.open for call in calls if call.round >= turn.round - 1
    )


def think(tx: Transaction, turn: store.Found) -> None:
    """Order the next move of a turn: for each move the same order, however often."""
    tx.publish(
        Think(turn_id=turn.id, round=turn.round),
        account=turn.account,
        message_id=think_id(turn.id, turn.round),
    )


def think_id(turn_id: str, round_: int) -> str:
    """The id of the order to think about a turn's move."""
    return derived_id(turn_id, round_, "think")


def end_again(tx: Transaction, turn: store.Found, calls: Sequence[StoredCall]) -> None:
    """Order the end of a turn's task once more; it ends once."""
    tx.publish(
        finish_task(turn, calls),
        account=turn.account,
        message_id=derived_id(turn.id, "finish again"),
    )


async def order_steps(
    tx: Transaction, turn: store.Found, steps: list[StepSpec], skills: list[str]
) -> None:
    """Have steps of a turn run: the first of a task make it."""
    ordered = order(turn, steps, skills)
    tx.publish(ordered, account=turn.account, deadline=turn.deadline_at)
    if not turn.task_begun:
        await store.tell_task(tx.conn, message_id_of(turn.id), turn.task_id)


def order(turn: store.Found, steps: list[StepSpec], skills: list[str]) -> StartTask | AddSteps:
    """The order for steps; none of them is one to make, or take up, the task alone."""
    if turn.task_begun:
        return AddSteps(
            task_id=turn.task_id, turn_id=turn.id, max_budget=turn.max_budget, steps=steps
        )
    return start(turn, steps, skills)


def start(turn: store.Found, steps: list[StepSpec], skills: list[str]) -> StartTask:
    """The order to make a turn's task with these steps."""
    return StartTask(
        task_id=turn.task_id,
        turn_id=turn.id,
        user_query=turn.content,
        required_skills=skills,
        max_budget=turn.max_budget,
        steps=steps,
    )


async def close(
    tx: Transaction,
    turn: store.Found,
    text: str,
    calls: Sequence[StoredCall],
    settings: Settings,
    *,
    result: str | None = None,
    stopped: bool = False,
    charge: Decimal = Decimal(0),
    refused: Refused | None = None,
    changes: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Let a turn, whose row is locked, come to its end: at once, or when its bill is there.

    Args:
        tx: the transaction of the message that ends it.
        turn: not settling yet.
        text: what the assistant says.
        calls: all of the turn.
        settings: of the service.
        result: what a follow-up may refer to.
        stopped: whether a limit or a trouble ends it, so that what was done is shown beside.
        charge: BazaarBucks that the user pays for the language model.
        refused: why nobody was called for what was wished.
        changes: what the move that ends it changes of it.
    """
    acted = any(call.work for call in calls)
    if not acted and not charge:
        if changes:
            turn = await store.update_turn(tx.conn, turn.id, **changes)
        await finish(tx, turn, text, settings, result=result, refused=refused)
        return
    begun = turn
    settling = {
        "status": "settling",
        "answer": readable(text),
        "result": None if result is None else readable(result),
        "stopped": stopped,
        "task_begun": True,
    }
    turn = await store.update_turn(
        tx.conn,
        turn.id,
        **{**changes, **settling},
        grace_s=settings.settlement_grace_s,
    )
    if not charge:
        tx.publish(finish_task(turn, calls), account=turn.account)
        return
    if not acted:
        await order_steps(tx, begun, [], [])
    paying = StoredCall(CHARGE_ID, turn.round, CHARGE, {"amount": format(charge, "f")})
    await store_rounds.insert_calls(tx.conn, turn.id, [paying])
    tx.publish(UseTool(turn_id=turn.id, call_id=paying.id), account=turn.account)


def finish_task(turn: store.Found, calls: Sequence[StoredCall]) -> FinishTask:
    """The order to end the task of a turn that is settling."""
    return FinishTask(
        task_id=turn.task_id,
        turn_id=turn.id,
        outcome="failed" if turn.stopped else outcome(calls),
        note=(turn.answer or "")[:500] if turn.stopped else None,
        cancelled=turn.cancelled_at is not None,
    )


def charged(calls: Sequence[StoredCall]) -> Decimal | None:
    """BazaarBucks that were paid for the language model; None when that is not known, or unpaid."""
    for call in calls:
        if call.tool == CHARGE and call.content is not None:
            return Decimal(json.loads(call.content)["charged"])
    return None


async def bill(
    tx: Transaction,
    turn: store.Found,
    calls: Sequence[StoredCall],
    settings: Settings,
    *,
    cost: CostBreakdown | None,
    note: str = "",
) -> None:
    """End a turn that awaited its bill.

    Args:
        tx: the transaction of the message that ended it.
        turn: not done yet.
        calls: all of the turn.
        settings: of the service.
        cost: the bill; None when nothing was charged, or when it did not come.
        note: a sentence to add to what the assistant says.
    """
    if turn.answer is None or turn.stopped:
        text, result = what_was_done(turn.answer or "", calls)
    else:
        text, result = turn.answer, turn.result
    text = "\n\n".join(part for part in (text, note) if part.strip())
    await finish(tx, turn, text, settings, result=result, cost=cost, paid=charged(calls))


async def finish(
    tx: Transaction,
    turn: store.Found,
    content: str,
    settings: Settings,
    *,
    result: str | None = None,
    cost: CostBreakdown | None = None,
    paid: Decimal | None = None,
    refused: Refused | None = None,
) -> None:
    """Store the assistant's message and end the turn, whose row is locked.

    Args:
        tx: the transaction of the message that ended it.
        turn: the turn, not done yet.
        content: what the assistant says.
        settings: of the service.
        result: what a follow-up may refer to.
        cost: the bill, None when nothing was charged.
        paid: what of it was for the language model.
        refused: why nobody was called for what was wished.
    """
    task_id = turn.task_id if turn.task_begun else None
    content = readable(content)
    llm = await _usage(tx, turn.id, settings, paid)
    row = await store.insert_message(
        tx.conn,
        id=new_id(),
        account=turn.account,
        turn_id=turn.id,
        role="assistant",
        content=content,
        task_id=task_id,
        cost_breakdown=cost.model_dump(mode="json") if cost else None,
        orchestrator=turn.orchestrator,
        llm=llm.model_dump(mode="json") if llm else None,
    )
    await store_rounds.end_turn(
        tx.conn,
        turn.id,
        status="done",
        answer=content,
        result=None if result is None else readable(result),
    )
    view = message_view(row)
    tx.publish(
        MessagePosted(
            message_id=view.id,
            turn_id=turn.id,
            role="assistant",
            content=content,
            task_id=task_id,
        ),
        TurnCompleted(turn_id=turn.id, task_id=task_id, message=view, refused=refused),
        account=turn.account,
    )


async def _usage(
    tx: Transaction, turn_id: str, settings: Settings, paid: Decimal | None
) -> LlmUse | None:
    found = usage(await store_rounds.tokens_of(tx.conn, turn_id), otherwise(settings))
    return found.model_copy(update={"charged": paid}) if found else None


def worth(used: Sequence[Tokens], left: Decimal, settings: Settings) -> Decimal:
    """BazaarBucks that the user pays for the language model; never more than `left`.

    One is worth a dollar; what the budget does not cover is not charged.
    """
    found = usage(used, otherwise(settings)) if settings.charge_llm else None
    return min(found.usd, left) if found else Decimal(0)


def otherwise(settings: Settings) -> Price:
    """The price of a model that is not listed."""
    price = settings.llm_input_usd
    return Price(price, settings.llm_output_usd, price / 10)


def message_view(row: store.Found) -> MessageView:
    """A stored message as it is shown."""
    return MessageView.model_validate(row, from_attributes=True)
