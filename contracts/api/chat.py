"""The chat as the API shows it: messages, with their bills."""

from typing import Literal

from contracts.api.amounts import Number
from contracts.base import Id, Model
from contracts.chat import CostBreakdown, CostLine, LlmUse, MessageView


class BillLine(CostLine):
    """One agent's share of a bill."""

    cost: Number


class Bill(CostBreakdown):
    """The cost breakdown under an assistant's message."""

    subtasks: list[BillLine]  # type: ignore[assignment]  # a line with numbers in place of strings
    total: Number


class Llm(LlmUse):
    """What the language model used for an answer."""

    usd: Number
    charged: Number | None = None


class Message(MessageView):
    """A chat message, as GET /api/messages lists it."""

    cost_breakdown: Bill | None = None
    llm: Llm | None = None


class ChatAnswer(Model):
    """Answer of POST /api/hubchat/message.

    Attributes:
        done: whether the assistant's message is stored; False when the turn goes on.
        message: the assistant's message when done.
    """

    success: Literal[True] = True
    turn_id: Id
    task_id: Id | None = None
    done: bool
    message: Message | None = None
