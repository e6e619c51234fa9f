"""Amounts and other numbers: read as they are written, or refused in words."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from contracts import numbers
from contracts.base import MAX_AMOUNT, Money
from contracts.cards import Cents
from contracts.ledger import Paid, Signed, Sum

KINDS = (Money, Paid, Signed, Sum, Cents)
DIGITS = st.text("0123456789", min_size=1, max_size=25)
LITERALS = st.builds(
    lambda minus, whole, part, exponent: f"{minus}{int(whole)}{part}{exponent}",
    st.sampled_from(["", "-"]),
    DIGITS,
    st.just("") | DIGITS.map(lambda digits: f".{digits}"),
    st.just("") | st.integers(-400, 400).map(lambda power: f"e{power}"),
)


@given(LITERALS)
def test_a_number_is_read_as_it_is_written_or_not_at_all(text: str) -> None:
    kept = Decimal(text) == Decimal(repr(float(text)))
    assert (_refusal(numbers.exact, text) is None) == kept
    if kept:
        assert Decimal(repr(numbers.exact(text))) == Decimal(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_whatever_a_double_writes_is_read(number: float) -> None:
    assert numbers.exact(repr(number)) == number
    numbers.check(json.dumps({"x": [number]}).encode())


@given(LITERALS.filter(lambda text: "." in text or "e" in text))
def test_a_body_is_looked_at_wherever_a_number_may_change(text: str) -> None:
    body = json.dumps({"id": "a1e5f0", "x": [{"y": 0}]}).replace("0}", f"{text}}}").encode()
    assert _refusal(numbers.check, body) == _refusal(numbers.exact, text)


def _refusal(read: Callable[[Any], object], what: Any) -> str | None:
    try:
        read(what)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("text", ["0." + "1" * 200_000, "1." + "0" * 200_000, "1e-999999999"])
def test_a_long_number_is_no_work(text: str) -> None:
    assert len(_refusal(numbers.exact, text) or "") < 200


SPELLED = [
    "1_0", " 1", "1 ", "+1", "1e3", "1E+3", ".5", "5.", "05", "-0", "-0.00", "1,5", "0x1", "",
    "\u0661\u0660", "\uff15", "1\n", "NaN", "nan", "Infinity", "-inf", "true", "--1", "1.2.3",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", SPELLED)
def test_a_text_of_an_amount_is_plain_digits(kind: Any, text: str) -> None:
    with pytest.raises(ValueError, match="text of digits"):
        TypeAdapter(kind).validate_python(text)
    with pytest.raises(ValueError, match="text of digits"):
        TypeAdapter(kind).validate_json(json.dumps(text))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [True, False])
def test_a_truth_is_no_amount(kind: Any, value: bool) -> None:
    with pytest.raises(ValueError, match="text of digits"):
        TypeAdapter(kind).validate_python(value)


@given(st.decimals(0, MAX_AMOUNT, allow_nan=False).filter(lambda amount: amount % 1 != 0))
def test_an_amount_is_kept_whole_or_refused(amount: Decimal) -> None:
    text = format(amount, "f")
    places = len(text.rstrip("0").partition(".")[2])
    adapter = TypeAdapter(Money)
    if places <= 6:
        assert adapter.validate_python(text) == amount
    else:
        with pytest.raises(ValueError, match=r"decimal places|digits in total"):
            adapter.validate_python(text)


def test_nothing_has_no_sign() -> None:
    for nothing in (-0.0, Decimal("-0"), Decimal("-0.000")):
        assert (
            TypeAdapter(Money).dump_json(TypeAdapter(Money).validate_python(nothing))[:2] == b'"0'
        )
