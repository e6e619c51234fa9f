"""The chat service's table of contents.

Answers post_message, list_messages, forget_messages, get_turn, cancel_turn, and order_ends for a
task service that was not told to end tasks.
Consumes its own orders chat.think and chat.use_tool, and step.completed, step.failed,
task.completed, task.failed; hears what was given up of all that.
Publishes message.posted, plan.proposed, turn.streamed, turn.completed, and orders to the task
service.
"""

from functools import partial

from chassis.db.aging import AGE_EVERY_S, age
from chassis.service import Service
from chat_svc import store_aging, tables
from chat_svc.ahead import Ahead
from chat_svc.claude import DEFAULT_MODEL, Claude
from chat_svc.concluding import concluding
from chat_svc.handlers import (
    cancelling,
    forgetting,
    given_up,
    messages,
    outcomes,
    overdue,
    reconcile,
    thinking,
    tools,
)
from chat_svc.orchestrator import Orchestrator
from chat_svc.rules import Rules
from chat_svc.settings import Settings
from contracts import chat, topology, turns

ASKED_AFTER = 2
"""Requests of others' slow sweeps that are answered at once."""


def build(settings: Settings, orchestrator: Orchestrator | None = None) -> Service:
    """The chat service, wired but not started; with another orchestrator than the settings say."""
    service = Service("chat", settings, tables.metadata)
    decides = orchestrator or chosen(settings, service)
    service.details["orchestrator"] = decides.name
    db, bus = service.database, service.bus
    answer, consume = service.answer, service.consume

    ahead = Ahead(db, bus, settings)
    answer(
        chat.POST_MESSAGE,
        partial(messages.post_message, db=db, bus=bus, settings=settings, ahead=ahead),
    )
    answer(chat.LIST_MESSAGES, messages.list_messages)
    answer(chat.FORGET_MESSAGES, messages.forget_messages)
    answer(turns.GET_TURN, messages.get_turn)
    answer(turns.CANCEL_TURN, partial(cancelling.cancel_turn, db=db, bus=bus, settings=settings))

    answer(turns.ORDER_ENDS, partial(reconcile.order_ends, db=db), workers=ASKED_AFTER)

    consume(
        topology.CHAT_THINK,
        partial(
            thinking.on_think,
            db=db,
            bus=bus,
            settings=settings,
            orchestrator=decides,
            ahead=ahead,
        ),
    )
    consume(topology.CHAT_USE_TOOL, partial(tools.on_use_tool, db=db, bus=bus, settings=settings))
    ends = concluding(decides, bus, settings)
    consume(
        topology.CHAT_STEP_COMPLETED, partial(outcomes.on_step_completed, db=db, concluding=ends)
    )
    consume(topology.CHAT_STEP_FAILED, partial(outcomes.on_step_failed, db=db, concluding=ends))
    consume(
        topology.CHAT_TASK_COMPLETED, partial(outcomes.on_task_completed, db=db, settings=settings)
    )
    consume(topology.CHAT_TASK_FAILED, partial(outcomes.on_task_failed, db=db, settings=settings))

    service.every(settings.watch_s, partial(overdue.answer_overdue, db, bus, settings))
    service.every(settings.watch_s, partial(forgetting.forget_events, db, bus))
    ask_after = partial(reconcile.ask_after_turns, db, bus, settings)
    service.every(settings.reconcile_s / 2, ask_after)
    service.at_start(partial(given_up.listen, db, bus))
    service.at_end(ahead.close)
    service.every(AGE_EVERY_S, partial(age, db, store_aging.strip_turns, settings.details_days))
    return service


def chosen(settings: Settings, service: Service) -> Orchestrator:
    """Who decides, by the settings. The one place where that is chosen."""
    if settings.chosen == "rules" or settings.anthropic_api_key is None:
        return Rules()
    claude = Claude(
        settings.anthropic_api_key.get_secret_value(),
        settings.anthropic_model or DEFAULT_MODEL,
        base_url=settings.anthropic_base_url,
    )
    service.details["model"] = claude.model
    service.at_end(claude.close)
    return claude
