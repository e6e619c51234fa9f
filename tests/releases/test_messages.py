"""Releases side by side: each reads what the other sends."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.base import Model
from contracts.envelope import read_envelope
from tests.contracts.compatibility import BOTH, breaks
from tests.contracts.golden import goldens
from tests.contracts.values import messages
from tests.releases.narrowed import NARROWED
from tests.releases.past import RELEASES, Recorded, models, recorded, schemas

OLD = [one for release in RELEASES for one in recorded(release)]
SHARED = [(release, kind) for release in RELEASES for kind in schemas(release) if kind in models()]
ADVICE = (
    "A service of release {release} may still run beside this one: leave the message as it was and "
    "add a new version beside it (`version = 2`, a subject of its own), published together with it."
)


def within(old: Any, new: Any) -> bool:
    """Whether all that was said is still said; what is new may stand beside it."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(
            value is None or within(value, new.get(key)) for key, value in old.items()
        )
    if isinstance(old, list):
        return isinstance(new, list) and len(old) == len(new) and all(map(within, old, new))
    if isinstance(old, str) and isinstance(new, str):
        return old.rstrip("/") == new.rstrip(
            "/"
        )  # A URL of a host alone may be written either way.
    return bool(old == new)


def test_every_release_was_recorded_whole() -> None:
    assert RELEASES
    for release in RELEASES:
        kinds = {one.kind for one in recorded(release)}
        assert kinds == {kind for kind in schemas(release) if not kind.startswith("api_")}


@pytest.mark.parametrize("old", OLD, ids=str)
def test_what_an_earlier_release_sent_is_read_today(old: Recorded) -> None:
    model = models().get(old.kind)
    assert model is not None, f"{old.kind} is gone. {ADVICE.format(release=old.release)}"

    read = model.model_validate(old.body)

    assert within(old.body, read.model_dump(mode="json")), old.kind
    if old.kind.startswith(("events/", "commands/")):
        assert read.subject() == old.subject  # type: ignore[attr-defined]  # messages have one
        envelope = read_envelope(old.headers, fallback_id="none")
        said = {
            name: text for name, text in old.headers.items() if name.startswith(("ce-", "trace"))
        }
        said.pop("ce-time")  # Nobody reads it back.
        assert within(said, envelope.headers())


@pytest.mark.parametrize(("release", "kind"), SHARED)
@settings(max_examples=5)  # of each of many
@given(data=st.data())
def test_what_is_sent_today_is_read_by_an_earlier_release(
    release: str, kind: str, data: st.DataObject
) -> None:
    model: type[Model] = models()[kind]

    message = data.draw(messages(model)).model_dump(mode="json")

    jsonschema.validate(message, schemas(release)[kind])


@pytest.mark.parametrize("release", RELEASES)
def test_no_schema_has_broken_with_an_earlier_release(release: str) -> None:
    """Also when somebody deleted the committed schema and had it written anew."""
    before = schemas(release)
    for golden in goldens():
        kind = golden.place.removesuffix(".json")
        if kind in before:
            broken = set(breaks(before[kind], golden.schema(), golden.direction))
            broken -= NARROWED.get(kind, frozenset())
            assert not broken, f"{kind}: {'; '.join(broken)}. {ADVICE.format(release=release)}"


def test_only_bodies_of_callers_are_narrowed() -> None:
    assert all(kind.startswith("api_bodies/") for kind in NARROWED)


def test_the_comparison_sees_a_break() -> None:
    release = RELEASES[-1]
    before = schemas(release)["events/step.failed.v1"]
    after = {**before, "required": [*before["required"], "hint"]}
    after["properties"] = {**before["properties"], "hint": {"type": "string"}}
    assert breaks(before, after, BOTH)
    assert not within({"a": 1}, {"a": 2})
    assert not within({"a": [1]}, {"b": [1]})
