"""The chat service's table of contents.

Answers post_message, list_messages, forget_messages.
Consumes the order chat.think, and step.completed, step.failed, task.completed, task.failed.
Publishes message.posted, plan.proposed, turn.completed, and orders to the task service.
"""

from functools import partial

from chassis.bus import answers, consumes
from chassis.service import Service
from chat_svc import tables
from chat_svc.handlers import messages, outcomes, overdue, thinking
from chat_svc.settings import Settings
from contracts import chat, topology


def build(settings: Settings) -> Service:
    """The chat service, wired but not started."""
    service = Service("chat", settings, tables.metadata)
    service.offer(settings=settings)
    on = service.broker.subscriber

    on(**answers(chat.POST_MESSAGE))(messages.post_message)
    on(**answers(chat.LIST_MESSAGES))(messages.list_messages)
    on(**answers(chat.FORGET_MESSAGES))(messages.forget_messages)

    on(**consumes(topology.CHAT_THINK))(thinking.on_think)
    on(**consumes(topology.CHAT_STEP_COMPLETED))(outcomes.on_step_completed)
    on(**consumes(topology.CHAT_STEP_FAILED))(outcomes.on_step_failed)
    on(**consumes(topology.CHAT_TASK_COMPLETED))(outcomes.on_task_completed)
    on(**consumes(topology.CHAT_TASK_FAILED))(outcomes.on_task_failed)

    service.every(settings.watch_s, partial(overdue.answer_overdue, service.database, settings))
    return service
