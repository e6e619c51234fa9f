"""Decides the moves of a turn: prices to negotiate, agents to call, and what to say in the end."""

import asyncio
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from chassis.bus.calls import MAX_MESSAGE_BYTES
from chat_svc.orchestrator import Move, Round, Say, Situation, ToolCall
from chat_svc.planner import TO_LOOK_UP, plan, too_dear
from chat_svc.rules import account, deals
from chat_svc.rules.answer import answer
from chat_svc.rules.deals import Order, settle
from chat_svc.rules.history import earlier
from chat_svc.rules.memory import MAX_STAND_INS, Choice, Remembered, call_id, remember

_MOST_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
TOO_LONG = "Your message is too long for all these steps: please ask for less at once."
STOPPED = "I had to stop before any agent was called: nothing was charged."


class Rules:
    """The orchestrator that plans by rules."""

    name = "rules"

    async def move(self, situation: Situation, say: Say) -> Move:
        """The next move; at most three make a turn, and none of them is a Trouble.

        Prices are negotiated where that is worth it, then each step of the plan is called, then
        comes the answer.
        """
        # Planning is pure but may take a while on a long text; the event loop must not wait.
        move = await asyncio.to_thread(next_move, situation)
        if not move.calls:
            await say(move.text)
        return move


def conclude(rounds: Sequence[Round]) -> Move | None:
    """The answer once the agents have done their work; None while there is more to decide.

    It says what came of it, so that neither the marketplace nor the conversation matters.
    """
    done = rounds[-1] if rounds else None
    if done is None:
        return None
    kept = _kept(done)
    if kept.steps or kept.about is not None:
        return None
    return answer(done, kept.notes, kept.form)


def next_move(situation: Situation) -> Move:
    """The move after what happened so far; the same for the same situation."""
    concluded = conclude(situation.rounds)
    if concluded is not None:
        return concluded
    done = situation.rounds[-1] if situation.rounds else None
    if done is not None and (about := _kept(done).about) is not None:
        return Move(account.told(about, done, situation.agents) or TO_LOOK_UP)
    if situation.last:
        return Move(STOPPED)
    return _begun(situation) if done is None else _settled(situation, _kept(done), done)


def _begun(situation: Situation) -> Move:
    """The first move of a turn."""
    found = plan(
        situation.said,
        situation.agents,
        situation.budget,
        left=situation.left,
        earlier=earlier(situation.history),
    )
    if found.about is not None:
        raw = Remembered(about=found.about).model_dump(mode="json")
        return Move("", account.asked(found.about, situation.said, situation.history), raw)
    if not found.steps:
        said = "\n\n".join([found.reply or "", *found.notes]).strip()
        return Move(said, refused=found.refused)
    kept = remember(found, situation.agents)
    offers = deals.offers(kept.steps)
    if offers:
        return Move("", offers, kept.model_dump(mode="json"))
    return _invoke(settle(kept.steps, {}, situation.left), kept, kept.notes, situation.left)


def _kept(done: Round) -> Remembered:
    return Remembered.model_validate(done.raw or {})


def _settled(situation: Situation, kept: Remembered, done: Round) -> Move:
    """The move after prices were negotiated."""
    made = deals.deals(done, kept.steps)
    orders = settle(kept.steps, made, situation.left)
    cost = deals.total(orders)
    if cost <= situation.left:
        return _invoke(orders, kept, [*kept.notes, *deals.notes(orders)], situation.left)
    firm = deals.firm(kept.steps, made)
    names = dict.fromkeys(order.choice.agent for order in orders)
    said = too_dear(cost, ", ".join(names), situation.budget, situation.left)
    asked = f"{', '.join(firm)} did not agree to less. " if firm else ""
    return Move("\n\n".join([asked + said, *kept.notes]), refused="budget")


def _invoke(orders: Sequence[Order], kept: Remembered, notes: Sequence[str], left: Decimal) -> Move:
    spare = left - deals.total(orders)
    calls = tuple(_call(index, order, spare) for index, order in enumerate(orders))
    payloads = [call.input["payload"] for call in calls]
    if len(json.dumps(payloads, ensure_ascii=False).encode(errors="replace")) > _MOST_BYTES:
        return Move(TOO_LONG, refused="no_plan")
    return Move("", calls, Remembered(notes=list(notes), form=kept.form).model_dump(mode="json"))


def _call(index: int, order: Order, spare: Decimal) -> ToolCall:
    input_: dict[str, Any] = {
        "agent_id": order.choice.agent_id,
        "skill": order.step.skill,
        "payload": order.choice.payload,
        "alternatives": [
            {"agent_id": choice.agent_id, "payload": choice.payload}
            for choice in _stand_ins(order, spare)
        ],
    }
    if order.deal is not None:
        input_["negotiation_id"] = order.deal.negotiation_id
    return ToolCall(call_id(index), "invoke_agent", input_)


def _stand_ins(order: Order, spare: Decimal) -> list[Choice]:
    """Others that could do it too without the whole getting dearer than what is left."""
    others = [
        choice
        for choice in order.step.choices
        if choice is not order.choice and choice.price <= order.price + spare
    ]
    return others[:MAX_STAND_INS]
