"""The rule itself: which changes of a schema break whom."""

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.compatibility import ACCEPTED, BOTH, PUBLISHED, Direction, Schema, breaks
from tests.contracts.golden import goldens


@cache
def ours() -> list[Schema]:
    """Every schema of ours."""
    return [golden.schema() for golden in goldens()]


@pytest.fixture(scope="module", autouse=True)
def made_once() -> None:
    """Before Hypothesis looks at how long it takes to make an example."""
    ours()


TEXT = {"type": "string"}
MAYBE_TEXT = {"anyOf": [TEXT, {"type": "null"}]}


def of(schema: Schema, *, required: bool = True) -> Schema:
    """An object with one property, `x`."""
    must = {"required": ["x"]} if required else {}
    return {"type": "object", "properties": {"x": schema}, **must}


AB, ABC = ({"type": "string", "enum": list(letters)} for letters in ("ab", "abc"))
NARROW, WIDE = ({"type": "string", "maxLength": most} for most in (5, 9))

# What becomes of what, and whether old data still passes, and whether old readers still pass it.
CHANGES = [
    ("nothing", of(TEXT), of(TEXT), True, True),
    ("an optional field more", {"type": "object"}, of(TEXT, required=False), True, True),
    ("a required field more", {"type": "object"}, of(TEXT), False, True),
    ("a field less", of(TEXT), {"type": "object"}, False, False),
    ("optional becomes required", of(TEXT, required=False), of(TEXT), False, True),
    ("required becomes optional", of(TEXT), of(TEXT, required=False), True, False),
    ("another type", of(TEXT), of({"type": "integer"}), False, False),
    ("text becomes number", of(MAYBE_TEXT), of({"anyOf": [{"type": "number"}, {"type": "null"}]}),
     False, False),
    ("null is allowed", of(TEXT), of(MAYBE_TEXT), True, False),
    ("null is no longer allowed", of(MAYBE_TEXT), of(TEXT), False, True),
    ("a value more", of(AB), of(ABC), True, False),
    ("a value less", of(ABC), of(AB), False, True),
    ("any text becomes some", of(TEXT), of(AB), False, False),
    ("a constant becomes a choice", of({"const": "a"}), of({"enum": ["a", "b"]}), True, False),
    ("longer texts", of(NARROW), of(WIDE), True, False),
    ("shorter texts", of(WIDE), of(NARROW), False, True),
    ("a limit where there was none", of(TEXT), of(NARROW), False, True),
    ("no limit any more", of(NARROW), of(TEXT), True, False),
    ("a lower limit", of({"minimum": 0}), of({"minimum": 1}), False, True),
    ("another pattern", of({"pattern": "a"}), of({"pattern": "b"}), False, False),
    ("another format", of({"format": "date-time"}), of(TEXT), False, False),
    ("items change", of({"items": TEXT}), of({"items": {"type": "integer"}}), False, False),
    ("items are typed", of({"items": TEXT}), of({}), False, False),
    ("anything becomes text", of({"additionalProperties": True}),
     of({"additionalProperties": TEXT}), False, False),
    ("other words", {**of(TEXT), "title": "A", "description": "a"},
     {**of({**TEXT, "description": "b"}), "title": "B"}, True, True),
    ("another default", of({**TEXT, "default": "a"}, required=False),
     of({**TEXT, "default": "b"}, required=False), True, True),
    ("a definition moves", {"$defs": {"T": of(TEXT)}, **of({"$ref": "#/$defs/T"})},
     {"$defs": {"U": of(TEXT)}, **of({"$ref": "#/$defs/U"})}, True, True),
    ("a definition changes", {"$defs": {"T": of(TEXT)}, **of({"$ref": "#/$defs/T"})},
     {"$defs": {"T": of(AB)}, **of({"$ref": "#/$defs/T"})}, False, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "accepted", "published"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES]
)
def test_who_is_broken_by_a_change(old: Schema, new: Schema, accepted: bool, published: bool):
    assert (not breaks(old, new, ACCEPTED)) is accepted
    assert (not breaks(old, new, PUBLISHED)) is published
    assert (not breaks(old, new, BOTH)) is (accepted and published)


def test_a_break_is_said_with_its_place():
    old = of({"type": "array", "items": of(TEXT)})
    new = of({"type": "array", "items": of({"type": "integer"})})
    assert breaks(old, new, BOTH) == ["it.x[].x: type was 'string' and is 'integer'"]


directions = st.sampled_from([BOTH, ACCEPTED, PUBLISHED])


def _objects(schema: Any) -> Iterator[Schema]:
    """Every object within a schema that lists properties."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield schema
        for inner in schema.values():
            yield from _objects(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _objects(inner)


@st.composite
def places(draw: st.DrawFn) -> tuple[Schema, Schema, Schema]:
    """A schema of ours, a copy of it, and one of the objects within the copy that have fields."""
    old = draw(st.sampled_from([one for one in ours() if one.get("properties")]))
    new = copy.deepcopy(old)
    return old, new, draw(st.sampled_from([one for one in _objects(new) if one["properties"]]))


@given(st.deferred(lambda: st.sampled_from(ours())), directions)
def test_a_schema_can_take_its_own_place(schema: Schema, direction: Direction):
    assert breaks(schema, copy.deepcopy(schema), direction) == []


@given(places(), directions, st.sampled_from([TEXT, MAYBE_TEXT, {"type": "array", "items": TEXT}]))
def test_an_optional_field_breaks_nobody(
    place: tuple[Schema, Schema, Schema], direction: Direction, added: Schema
):
    old, new, inner = place
    inner["properties"]["addedLater"] = added
    assert breaks(old, new, direction) == []


@given(places(), st.booleans())
def test_a_required_field_breaks_readers_of_what_is_there_already(
    place: tuple[Schema, Schema, Schema], known: bool
):
    old, new, inner = place
    required = inner.setdefault("required", [])
    optional = sorted(inner["properties"].keys() - set(required))
    name = optional[0] if known and optional else "addedLater"
    inner["properties"].setdefault(name, TEXT)
    required.append(name)
    assert breaks(old, new, ACCEPTED)
    assert breaks(old, new, BOTH)


@given(places(), directions, st.booleans(), st.data())
def test_a_field_that_goes_or_is_renamed_is_noticed(
    place: tuple[Schema, Schema, Schema], direction: Direction, renamed: bool, data: st.DataObject
):
    old, new, inner = place
    name = data.draw(st.sampled_from(sorted(inner["properties"])))
    gone = inner["properties"].pop(name)
    if renamed:
        inner["properties"]["newName"] = gone
    found = breaks(old, new, direction)
    assert found
    # A change deep inside may show as an alternative that is gone.
    assert inner is not new or f"it.{name} was removed or renamed" in found


@given(places(), directions, st.data())
def test_a_field_of_another_type_is_noticed(
    place: tuple[Schema, Schema, Schema], direction: Direction, data: st.DataObject
):
    old, new, inner = place
    name = data.draw(st.sampled_from(sorted(inner["properties"])))
    inner["properties"][name] = {"type": "a type that nobody has"}
    assert breaks(old, new, direction)
