"""Messages about prices that are promised before a call."""

import re
from typing import Annotated

from pydantic import Field, JsonValue

from contracts.base import Call, Id, Model, Moment, Money

QUOTE_ID = re.compile(r"([A-Za-z0-9_-]{1,64})\.[A-Za-z0-9_-]{1,600}\.[A-Za-z0-9_-]{43}")
QUOTE_FORM = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}$"
QuoteId = Annotated[str, Field(min_length=1, max_length=709, pattern=QUOTE_FORM)]
"""A quote's id: the agent's, what was promised, and the seal that makes it ours."""


class AskQuote(Model):
    """Asks what a call of an agent costs now; nothing is called, stored or held.

    Raises (over the bus): `NotFound` without such an agent; `Invalid` when its price depends on the
    payload and there is none.

    Attributes:
        payload: what the agent is to be called with; its size decides where an agent bills by size.
    """

    agent_id: Id
    payload: dict[str, JsonValue] | None = None


class QuoteView(Model):
    """What a call costs at most, until when.

    Attributes:
        quote_id: names it in a call (`InvokeAgent.quote_id`), as often as wanted.
        price: BazaarBucks that a call by this quote costs at most, purchases included.
        work: what of that is for the agent's work.
        purchases: what of that is for what the agent buys outside.
        expires_at: from then on the quote is none.
    """

    quote_id: QuoteId
    agent_id: Id
    agent_name: str
    price: Money
    work: Money
    purchases: Money
    expires_at: Moment


def agent_of(quote_id: str) -> str | None:
    """Which agent a quote says that it is of; None when it is no quote. The seal is not checked."""
    found = QUOTE_ID.fullmatch(quote_id)
    return found[1] if found else None


ASK_QUOTE = Call("task", "ask_quote", AskQuote, QuoteView)
