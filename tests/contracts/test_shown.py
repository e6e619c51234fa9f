"""Lists written by a service for the API are what the gateway made of its messages, to the byte."""

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from chassis.handling.listing import Listed, Listing
from chassis.observability.terminal import escaped
from chat_svc.handlers.messages import MESSAGES
from contracts import api, chat, ledger, payment, registry, task
from contracts.base import Model
from payment_svc.ledger.books import ENTRIES
from payment_svc.ledger.queries import CARDS, PAYMENTS
from registry_svc.handlers.queries import AGENTS
from task_svc.handlers.queries import STEPS, TASKS
from tests.contracts.values import messages

LISTS = [
    (TASKS, task.TaskList, task.TaskView, api.Task),
    (STEPS, task.StepList, task.StepView, api.TaskStep),
    (MESSAGES, chat.MessageList, chat.MessageView, api.Message),
    (PAYMENTS, payment.BazaarBucksList, payment.BazaarBucksPaymentView, api.BazaarBucksPayment),
    (CARDS, payment.StripeList, payment.StripePaymentView, api.StripePayment),
    (ENTRIES, ledger.EntryList, ledger.EntryView, api.LedgerEntry),
    (AGENTS, registry.AgentList, registry.AgentView, api.Agent),
]


def _after(rows: Sequence[Any], limit: int) -> str | None:
    return "after" if len(rows) > limit else None


@pytest.mark.parametrize(
    ("listing", "reply", "view", "shown"),
    LISTS,
    ids=["tasks", "steps", "messages", "payments", "cards", "entries", "agents"],
)
@given(data=st.data())
def test_rows_are_written_as_their_models_would_be(
    listing: Listing[Any],
    reply: type[Model],
    view: type[Model],
    shown: type[Model],
    data: st.DataObject,
) -> None:
    rows = data.draw(st.lists(messages(view), max_size=4))
    limit = data.draw(st.integers(1, 4))
    # Rows of payments have one more column.
    found = [SimpleNamespace(**dict(row), asked_id=None) for row in rows]
    page = Listed(listing, found, limit, _after)
    said = rows[:limit]
    as_api: TypeAdapter[Any] = TypeAdapter(list[shown])  # type: ignore[valid-type]  # known here
    models = as_api.validate_python(said, from_attributes=True)
    assert page.written(shown=True) == (
        escaped(as_api.dump_json(models).decode()).encode(),
        _after(rows, limit),
    )
    body, after = page.written(shown=False)
    assert after is None
    (name,) = set(reply.model_fields) - {"next_cursor"}
    whole = reply.model_validate({name: said, "next_cursor": _after(rows, limit)})
    assert body == escaped(whole.model_dump_json()).encode()


def test_a_page_ends_before_it_gets_heavy_and_is_turned_round_after_that() -> None:
    heavy = chat.MessageView(
        id="m", role="user", content="x" * 700_000, created_at="2026-01-02T03:04:05Z"
    )
    rows = [heavy.model_copy(update={"id": f"m{number}"}) for number in range(3)]
    page = Listed(MESSAGES, rows, 3, lambda _rows, shown: f"after {shown}", newest_last=True)
    body, after = page.written(shown=True)
    assert ([one["id"] for one in json.loads(body)], after) == (["m0"], "after 1")
    light = [heavy.model_copy(update={"id": f"m{number}", "content": "x"}) for number in range(3)]
    page = Listed(MESSAGES, light, 2, _after, newest_last=True)
    assert json.loads(page.written(shown=False)[0])["messages"][0]["id"] == "m1"
