"""What messages and API models look like as JSON, and that nothing is lost on the way."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from contracts.api import Number
from contracts.base import MAX_AMOUNT, MICRO, Model, Moment, Money, to_micro
from contracts.bodies import NewTask
from contracts.catalogue import API_ANSWERS, API_BODIES, CALLS, COMMANDS, EVENTS
from contracts.task_events import StepCompleted
from tests.contracts.values import amounts, messages

MESSAGES = sorted(
    {
        *(message for kind in (EVENTS, COMMANDS) for some in kind.values() for message in some),
        *(
            model
            for some in CALLS.values()
            for call in some
            for model in (call.request, call.reply)
        ),
    },
    key=lambda model: model.__name__,
)
any_message = st.sampled_from(MESSAGES).flatmap(messages)
every_message = pytest.mark.parametrize("model", MESSAGES, ids=lambda m: m.__name__)
every_answer = pytest.mark.parametrize("model", API_ANSWERS, ids=lambda m: m.__name__)


@every_message
@settings(max_examples=8)  # of each of many
@given(data=st.data())
def test_a_message_is_the_same_after_its_journey(model: type[Model], data: st.DataObject):
    message = data.draw(messages(model))
    text = message.model_dump_json()
    assert model.model_validate_json(text) == message
    for value, wire in _pairs(message, json.loads(text)):
        if isinstance(value, Decimal):
            assert isinstance(wire, str)
            assert "e" not in wire.lower()
            assert Decimal(wire) == value
        if isinstance(value, datetime):
            assert wire.endswith("Z")
            assert datetime.fromisoformat(wire) == value


@given(any_message)
def test_the_outbox_writes_the_same_json_as_a_request(message: Model):
    text = json.dumps(message.model_dump(mode="json"), ensure_ascii=False)
    assert json.loads(text) == json.loads(message.model_dump_json())


@given(any_message)
def test_a_newer_message_can_be_read(message: Model):
    newer = _with_more(message.model_dump(mode="json"), type(message))
    assert type(message).model_validate(newer) == message


def _with_more(body: dict[str, Any], model: type[Model]) -> dict[str, Any]:
    """The JSON with an unknown field in every object whose shape is ours."""
    grown: dict[str, Any] = {**body, "addedLater": {"by": ["a newer version"]}}
    for name, info in model.model_fields.items():
        inner, value = _model_inside(info.annotation), body[info.alias or name]
        if inner is not None and value is not None:
            more = [
                _with_more(one, inner) for one in (value if isinstance(value, list) else [value])
            ]
            grown[info.alias or name] = more if isinstance(value, list) else more[0]
    return grown


def _model_inside(annotation: Any) -> type[Model] | None:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    inside = (_model_inside(one) for one in getattr(annotation, "__args__", ()))
    return next((one for one in inside if one is not None), None)


@pytest.mark.parametrize("model", [*MESSAGES, *API_ANSWERS, *API_BODIES], ids=lambda m: m.__name__)
def test_keys_are_camel_case(model: type[Model]):
    assert all(re.fullmatch(r"[a-z]+([A-Z][a-z]*)*", key) for key in _keys(model))


def _keys(model: type[Model]) -> Iterator[str]:
    schema = model.model_json_schema(by_alias=True)
    for one in (schema, *schema.get("$defs", {}).values()):
        yield from one.get("properties", {})


@every_answer
@settings(max_examples=12)
@given(data=st.data())
def test_the_ui_gets_numbers_and_moments_it_can_read(model: type[Model], data: st.DataObject):
    shown = data.draw(messages(model))
    wire = json.loads(shown.model_dump_json(), parse_float=Decimal)
    for value, seen in _pairs(shown, wire):
        if isinstance(value, Decimal):
            assert not isinstance(seen, str)
            assert Decimal(seen) == value
            assert Decimal(seen) % MICRO == 0
        if isinstance(value, datetime):
            assert seen.endswith("Z")


def _pairs(value: Any, wire: Any) -> Iterator[tuple[Any, Any]]:
    """Every value in a message beside what became of it on the wire."""
    if isinstance(value, Model):
        for name, info in type(value).model_fields.items():
            yield from _pairs(getattr(value, name), wire[info.alias or name])
    elif isinstance(value, list):
        for one, seen in zip(value, wire, strict=True):
            yield from _pairs(one, seen)
    else:
        yield value, wire


@given(st.integers(0, 10**9))
def test_a_number_in_a_body_is_the_amount_that_was_typed(millionths: int):
    typed = Decimal(millionths) / 10**6
    body = f'{{"userQuery": "x", "maxBudget": {float(typed)!r}}}'
    assert NewTask.model_validate_json(body).max_budget == typed


@given(st.lists(amounts(1000), max_size=6), amounts(1000))
def test_sums_and_products_reach_the_ui_with_six_decimals(parts: list[Decimal], factor: Decimal):
    total = to_micro(sum(parts, Decimal(0)) * factor / 1000)
    text = TypeAdapter(Number).dump_json(min(total, MAX_AMOUNT)).decode()
    assert Decimal(text) == min(total, MAX_AMOUNT)
    assert Decimal(text) % MICRO == 0


def test_a_float_sum_is_shown_without_its_tail():
    tail = Decimal(0.1 + 0.2)
    assert TypeAdapter(Number).dump_json(to_micro(tail)) == b"0.3"


@given(st.decimals(0, 10**6, allow_nan=False, places=9))
def test_to_micro_changes_an_amount_by_at_most_half_a_millionth(amount: Decimal):
    assert abs(to_micro(amount) - amount) <= MICRO / 2
    assert to_micro(amount) % MICRO == 0


@pytest.mark.parametrize("bad", ["-0.000001", "1000000.000001", "0.0000001", "NaN", "Infinity", ""])
def test_what_is_no_amount_is_refused(bad: str):
    with pytest.raises(ValueError, match=r"."):
        TypeAdapter(Money).validate_python(bad)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001  (bounds are naive)
    st.integers(-14 * 60, 14 * 60) | st.none(),
)
def test_a_moment_is_utc_wherever_it_was_taken(moment: datetime, offset: int | None):
    there = None if offset is None else timezone(timedelta(minutes=offset))
    taken = moment.replace(tzinfo=there)
    adapter = TypeAdapter(Moment)
    wire = json.loads(adapter.dump_json(adapter.validate_python(taken)))
    assert wire.endswith("Z")
    assert datetime.fromisoformat(wire) == taken.replace(tzinfo=there or UTC)


def test_a_message_is_immutable():
    step = {"taskId": "t", "stepId": "s", "agentId": "a", "subtaskType": "x", "result": "r"}
    bill = {"cost": "0.1", "externalCost": "0", "billed": "0.1"}
    event = StepCompleted.model_validate(
        step | bill | {"requiresExternalTool": False, "executionTime": 1}
    )
    with pytest.raises(ValueError, match="frozen"):
        event.cost = Decimal(2)  # type: ignore[misc]  # that is the point
