"""The body of a message to the chat."""

from contracts.bodies.amounts import AskedMoney
from contracts.bodies.base import Body, MaybeId, Words, such_as


class ChatInput(
    Body, json_schema_extra=such_as(content="Translate 'hello' to Spanish.", maxBudget=2)
):
    """Body of POST /api/hubchat/message; an empty `taskId` is as good as none."""

    content: Words
    max_budget: AskedMoney | None = None
    task_id: MaybeId = None
