"""The rules of tasks and steps."""

import json
from decimal import Decimal
from typing import Any, Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base import MAX_AMOUNT, MICRO
from contracts.errors import Busy, Refusal
from contracts.task import RESULT_KEY, FailureReason
from task_svc.domain import (
    Agreement,
    Quote,
    Split,
    as_refusal,
    billed,
    charge,
    hold_amount,
    is_open,
    key_after,
    readable,
    referring_to,
    status_after,
    try_after,
    with_results,
)
from task_svc.pricing import paid, promise_of

AMOUNTS = st.decimals(0, MAX_AMOUNT, places=6, allow_nan=False)
BILLS = st.decimals(0, MAX_AMOUNT, allow_nan=False)
IDS = st.sampled_from(["s1", "s2", "s3"])


def quote(base: Decimal, dynamic: Decimal) -> Quote:
    return Quote(
        agent_name="A", endpoint_url="http://a", skills=[], base_price=base, dynamic_price=dynamic
    )


quotes = st.builds(quote, AMOUNTS, AMOUNTS)


@given(BILLS, quotes)
def test_a_charge_can_be_written_down(bill: Decimal, quoted: Quote):
    charged = charge(bill, quoted)
    assert 0 <= charged <= MAX_AMOUNT
    assert charged % MICRO == 0


@given(AMOUNTS, AMOUNTS, BILLS, BILLS, AMOUNTS)
def test_an_agreed_price_is_all_that_is_held_and_paid(
    price: Decimal, dynamic: Decimal, bill: Decimal, external: Decimal, cap: Decimal
):
    agreed = quote(dynamic, dynamic).model_copy(
        update={"agreed": Agreement(price=price, list_price=dynamic)}
    )
    held = hold_amount(agreed, cap)
    done = paid(held, charge(bill, agreed), external, promise_of(agreed, {}, Decimal(2)))
    assert (held, done) == (price, Split(price, Decimal(0)))
    assert billed(bill, external, agreed) >= price


@given(BILLS, BILLS, quotes)
def test_what_is_billed_is_the_charge_and_what_was_bought(
    bill: Decimal, external: Decimal, quoted: Quote
):
    assert billed(bill, external, quoted) == min(MAX_AMOUNT, charge(bill, quoted) + external)


@given(AMOUNTS, AMOUNTS)
def test_without_load_the_charge_is_the_bill(bill: Decimal, price: Decimal):
    assert charge(bill, quote(price, price)) == bill


@pytest.mark.parametrize(
    ("bill", "base", "dynamic", "charged"),
    [
        ("0.07", "0.05", "0.0575", "0.0805"),
        ("0.10", "0.10", "0.13", "0.13"),
        ("0.10", "0.03", "0.039", "0.13"),
        ("0.333333", "3", "3.45", "0.383333"),
        ("5", "0", "0", "5"),
        ("5", "0", "7", "5"),
        ("5", "2", "0", "0"),
    ],
)
def test_a_charge_is_the_bill_at_the_surge(bill: str, base: str, dynamic: str, charged: str):
    assert charge(Decimal(bill), quote(Decimal(base), Decimal(dynamic))) == Decimal(charged)


@given(quotes, AMOUNTS | st.none())
def test_the_hold_is_the_cap_or_the_price(quoted: Quote, cap: Decimal | None):
    assert hold_amount(quoted, cap) == (quoted.dynamic_price if cap is None else cap)


@given(AMOUNTS, AMOUNTS, AMOUNTS)
def test_what_is_paid_is_covered(held: Decimal, cost: Decimal, external: Decimal):
    done = paid(held, cost, external, None)
    assert 0 <= done.cost <= cost
    assert 0 <= done.external <= external
    assert done.cost + done.external == min(held, cost + external)
    assert done.external == 0 or done.cost == cost, "the agent's work comes first"


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
REFERENCES = IDS.map(lambda id_: {RESULT_KEY: id_})
PAYLOADS = st.recursive(
    LEAVES | REFERENCES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
RESULTS = {"s1": "one", "s2": '{"$result": "s3"}', "s3": ""}


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        if set(value) == {RESULT_KEY}:
            return [value[RESULT_KEY]]
        return [id_ for inner in value.values() for id_ in references(inner)]
    return [id_ for inner in value for id_ in references(inner)] if isinstance(value, list) else []


@given(PAYLOADS)
def test_every_reference_becomes_its_result_and_nothing_else_changes(payload: Any):
    text = json.dumps(payload)
    for id_, result in RESULTS.items():
        text = text.replace(json.dumps({RESULT_KEY: id_}), json.dumps(f"<{id_}>"))
        assert result is not None
    filled = with_results(payload, {id_: f"<{id_}>" for id_ in RESULTS})
    assert json.dumps(filled) == text


@given(PAYLOADS)
def test_a_result_is_text_even_when_it_looks_like_a_reference(payload: Any):
    filled = with_results(payload, RESULTS)
    assert references(filled) == []


@given(PAYLOADS)
def test_a_missing_result_is_named(payload: Any):
    if "s1" in references(payload):
        with pytest.raises(KeyError, match="s1"):
            with_results(payload, {"s2": "", "s3": ""})
    else:
        with_results(payload, {"s2": "", "s3": ""})


@given(PAYLOADS, IDS)
def test_a_replacement_takes_over_every_reference(payload: Any, old: str):
    moved = referring_to(payload, old, "new")
    assert references(moved) == ["new" if id_ == old else id_ for id_ in references(payload)]
    assert referring_to(moved, "new", old) == payload


@pytest.mark.parametrize(
    "payload", [{RESULT_KEY: "s1", "other": 1}, {"text": "$result"}, {"a": [RESULT_KEY]}]
)
def test_what_only_resembles_a_reference_is_left_alone(payload: dict[str, Any]):
    assert with_results(payload, {}) == payload
    assert referring_to(payload, "s1", "s2") == payload


@given(st.text(st.characters(), max_size=50), st.integers(1, 60))
def test_readable_text_can_be_stored_and_sent(text: str, limit: int):
    clean = readable(text, limit)
    assert "\x00" not in clean
    assert clean.encode().decode() == clean
    assert len(clean) <= limit


@given(st.text(max_size=50))
def test_readable_text_is_left_as_it_is(text: str):
    text = text.replace("\x00", "")
    assert readable(text, 50) == text


def test_what_was_cut_says_so():
    assert readable("abcdef", 4) == "abc…"


# outcome of the step that ended, required skills, skills done, other open steps -> the task
STATES: list[tuple[Literal["completed", "failed"], list[str], list[str], int, str]] = [
    # nothing required: done when nothing is open, as its last step
    ("completed", [], ["x"], 0, "completed"),
    ("completed", [], ["x"], 1, "in_progress"),
    ("failed", [], [], 0, "failed"),
    ("failed", [], ["x"], 0, "failed"),
    ("failed", [], ["x"], 2, "in_progress"),
    # skills required: done with the last of them, whatever else is open
    ("completed", ["a", "b"], ["a"], 0, "in_progress"),
    ("completed", ["a", "b"], ["a"], 1, "in_progress"),
    ("completed", ["a", "b"], ["a", "b"], 0, "completed"),
    ("completed", ["a", "b"], ["b", "c", "a"], 3, "completed"),
    ("completed", ["A"], ["a"], 0, "completed"),
    ("completed", ["Straße"], ["STRASSE"], 0, "completed"),
    ("completed", [" a", "b  c\t", " "], ["a ", "b c"], 0, "completed"),
    ("completed", [" "], ["a"], 0, "completed"),
    # a failure ends it when nothing is open and something is still missing
    ("failed", ["a", "b"], ["a"], 0, "failed"),
    ("failed", ["a", "b"], ["a"], 1, "in_progress"),
    ("failed", ["a"], ["a"], 0, "completed"),
]


@pytest.mark.parametrize(("outcome", "required", "done", "still_open", "status"), STATES)
def test_where_a_task_stands_after_a_step(
    outcome: Literal["completed", "failed"],
    required: list[str],
    done: list[str],
    still_open: int,
    status: str,
):
    assert status_after(outcome, required, done, still_open) == status


@pytest.mark.parametrize("reason", get_args(FailureReason))
def test_every_failure_has_a_refusal_for_who_waited(reason: FailureReason):
    refusal = as_refusal(reason, "Because.")
    assert isinstance(refusal, Refusal)
    assert refusal.message == "Because."
    assert refusal.code in {402, 404, 409, 422, 502, 503, 504}
    # Who is told 5xx sends the same again, and it is carried out again: nothing was decided.
    assert is_open(reason) == (refusal.code >= 500)
    assert not isinstance(refusal, Busy)


@given(st.lists(st.sampled_from(get_args(FailureReason)), max_size=8))
def test_who_gave_no_answer_is_asked_for_the_same_work_under_the_same_key(
    reasons: list[FailureReason],
):
    quoted = quote(Decimal(1), Decimal(1))
    step_id, keys = "first", ["first"]
    for reason in reasons:
        quoted = quoted.model_copy(update={"agent_key": key_after(step_id, quoted, reason)})
        step_id = try_after("first", step_id)
        key = quoted.agent_key or step_id
        assert (key == keys[-1]) == (reason != "agent_error")
        keys.append(key)
    assert step_id == ("first" if not reasons else f"first-{len(reasons) + 1}")
