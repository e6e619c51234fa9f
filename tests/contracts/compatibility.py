"""Whether one JSON Schema of a message can take another's place while both are in use.

Two directions. `accepted`: whatever was valid before still is, so that what was sent by the
version before (or stored by it) can be read. `published`: whatever is valid now was valid before,
so that the version before can read what is sent now; more properties do it no harm.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

_WORDS = {"title", "description", "default", "examples", "$defs"}
_LOWER = {"minimum", "exclusiveMinimum", "minLength", "minItems"}
_UPPER = {"maximum", "exclusiveMaximum", "maxLength", "maxItems"}
_WALKED = {"properties", "required", "enum", "const", "anyOf", "items", "additionalProperties"}


@dataclass(frozen=True)
class Direction:
    """In which directions two schemas have to fit."""

    accepted: bool = False
    published: bool = False


BOTH = Direction(accepted=True, published=True)
ACCEPTED = Direction(accepted=True)
PUBLISHED = Direction(published=True)


def breaks(old: Schema, new: Schema, direction: Direction) -> list[str]:
    """What keeps `new` from taking `old`'s place, a sentence each; empty when nothing does."""
    return list(_Comparison(old, new, direction).at(old, new, "it"))


@dataclass(frozen=True)
class _Comparison:
    old_root: Schema
    new_root: Schema
    to: Direction

    def at(self, old: Any, new: Any, place: str) -> Iterator[str]:
        old, new = _resolved(self.old_root, old), _resolved(self.new_root, new)
        if "anyOf" in old or "anyOf" in new:
            yield from self._alternatives(old, new, place)
            return
        yield from self._values(old, new, place)
        yield from self._bounds(old, new, place)
        yield from self._properties(old, new, place)
        for inner in ("items", "additionalProperties"):
            if inner in old and inner in new:
                yield from self.at(old[inner], new[inner], f"{place}[]")
            elif inner in old or inner in new:
                yield f"{place} has other {inner}"
        others = (old.keys() | new.keys()) - _WORDS - _LOWER - _UPPER - _WALKED
        for key in sorted(others):
            if old.get(key) != new.get(key):
                yield f"{place}: {key} was {old.get(key)!r} and is {new.get(key)!r}"

    def _alternatives(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        olds, news = old.get("anyOf", [old]), new.get("anyOf", [new])
        accepting = _Comparison(self.old_root, self.new_root, ACCEPTED)
        publishing = _Comparison(self.old_root, self.new_root, PUBLISHED)
        if self.to.accepted:
            for one in olds:
                if all(any(accepting.at(one, other, place)) for other in news):
                    yield f"{place} can no longer be {_brief(one)}"
        if self.to.published:
            for one in news:
                if all(any(publishing.at(other, one, place)) for other in olds):
                    yield f"{place} can now be {_brief(one)}"

    def _values(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        before, after = _listed(old), _listed(new)
        if before == after:
            return
        if before is None or after is None:
            yield f"{place} has another set of values"
            return
        if self.to.accepted and before - after:
            yield f"{place} can no longer be {', '.join(sorted(before - after))}"
        if self.to.published and after - before:
            yield f"{place} can now be {', '.join(sorted(after - before))}"

    def _bounds(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        for key in sorted((_LOWER | _UPPER) & (old.keys() | new.keys())):
            sign = 1 if key in _LOWER else -1
            before, after = (sign * s[key] if key in s else float("-inf") for s in (old, new))
            if self.to.accepted and after > before:
                yield f"{place}: {key} is narrower"
            if self.to.published and after < before:
                yield f"{place}: {key} is wider"

    def _properties(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name in sorted(before.keys() - after.keys()):
            yield f"{place}.{name} was removed or renamed"
        must_before, must_now = set(old.get("required", [])), set(new.get("required", []))
        if self.to.accepted:
            for name in sorted(must_now - must_before):
                yield f"{place}.{name} is required now"
        if self.to.published:
            for name in sorted((must_before - must_now) & after.keys()):
                yield f"{place}.{name} may be missing now"
        for name in sorted(before.keys() & after.keys()):
            yield from self.at(before[name], after[name], f"{place}.{name}")


def _resolved(root: Schema, schema: Any) -> Schema:
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return dict(schema)


def _listed(schema: Schema) -> set[str] | None:
    """The values that a schema lists, as JSON-like text; None when it lists none."""
    if "const" in schema:
        return {repr(schema["const"])}
    return {repr(value) for value in schema["enum"]} if "enum" in schema else None


def _brief(schema: Schema) -> str:
    return str(schema.get("$ref", schema.get("type", schema))).rpartition("/")[2]
