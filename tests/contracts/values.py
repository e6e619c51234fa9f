"""Hypothesis strategies for any message, by the types and limits of its fields."""

import re
import types
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import HttpUrl, JsonValue
from pydantic.fields import FieldInfo

from contracts.base import Model

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  (bounds are naive)
TEXTS = st.text(max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    date: st.dates(),
    datetime: MOMENTS,
    HttpUrl: st.from_regex(r"http://[a-z]{1,8}\.example/[a-z]{0,8}", fullmatch=True),
    JsonValue: JSON,
    Any: JSON,
    type(None): st.none(),
}
Kinds = tuple[Any, ...]


@cache
def messages(model: type[Model]) -> st.SearchStrategy[Any]:
    """Valid instances of a model."""
    fields = {name: _field(info) for name, info in model.model_fields.items()}
    validators = getattr(model, "__pydantic_decorators__").field_validators  # noqa: B009  (private to mypy)
    if validators:
        # A rule that the types do not tell: a text must not be blank.
        fields |= {"content": TEXTS.map(lambda text: f"x{text.replace(chr(0), '')}")}
    return st.builds(model.model_validate, st.fixed_dictionaries(fields))


def _field(info: FieldInfo) -> st.SearchStrategy[Any]:
    return _value(info.annotation, info.metadata)


def _value(kind: Any, limits: list[Any]) -> st.SearchStrategy[Any]:
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        inner = [m for arg in inside[1:] for m in getattr(arg, "metadata", [arg])]
        return _value(inside[0], [*limits, *inner])
    if origin is not None:
        return COMPOUND[origin](inside, limits)
    if isinstance(kind, type) and issubclass(kind, Model):
        return messages(kind)
    return PLAIN[kind] if kind in PLAIN else _scalar(kind, limits)


def _either(kinds: Kinds, limits: list[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(*(_value(kind, limits) for kind in kinds))


def _list(kinds: Kinds, limits: list[Any]) -> st.SearchStrategy[Any]:
    return st.lists(_value(kinds[0], []), min_size=_limit(limits, "min_length", 0), max_size=3)


def _dict(kinds: Kinds, _limits: list[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(_value(kinds[0], []), _value(kinds[1], []), max_size=3)


COMPOUND: dict[Any, Callable[[Kinds, list[Any]], st.SearchStrategy[Any]]] = {
    Union: _either,
    types.UnionType: _either,
    Literal: lambda values, _limits: st.sampled_from(values),
    list: _list,
    dict: _dict,
}


def _scalar(kind: Any, limits: list[Any]) -> st.SearchStrategy[Any]:
    if kind is Decimal:
        places = _limit(limits, "decimal_places", 6)
        above = _limit(limits, "gt", None)
        least = _limit(limits, "ge", 0) if above is None else above + Decimal(1).scaleb(-places)
        return amounts(_limit(limits, "le", 10**6), places, least)
    if kind is int:
        return st.integers(_limit(limits, "ge", 0), _limit(limits, "le", 2**31 - 1))
    if kind is float:
        return st.floats(0, 1)
    assert kind is str, f"no strategy for {kind}"
    shortest = _limit(limits, "min_length", 0)
    if pattern := _limit(limits, "pattern", None):
        short = st.from_regex(pattern, fullmatch=True).map(lambda text: text.strip()[:64])
        return short.filter(lambda text: len(text) >= shortest and re.search(pattern, text))
    return st.text(min_size=shortest, max_size=max(20, shortest))


def amounts(
    most: Decimal | int = 10**6, places: int = 6, least: Decimal | int = 0
) -> st.SearchStrategy[Decimal]:
    """Amounts of money, some written with an exponent as sums of them may be."""
    plain = st.decimals(least, most, places=places, allow_nan=False)
    return plain | plain.map(lambda amount: amount.normalize())


def _limit(limits: list[Any], name: str, otherwise: Any) -> Any:
    found = [value for one in limits if (value := getattr(one, name, None)) is not None]
    return found[0] if found else otherwise
