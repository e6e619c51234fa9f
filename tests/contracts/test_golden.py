"""The models are what was committed, or have grown by optional fields only."""

import json
from pathlib import Path
from typing import Literal

import pytest

from contracts import task_events
from contracts.catalogue import EVENTS
from tests.contracts import golden
from tests.contracts.compatibility import BOTH, breaks
from tests.contracts.golden import A_MESSAGE, FOLDER, Golden, goldens

ALL = list(goldens())


@pytest.mark.parametrize("golden", ALL, ids=lambda g: g.place)
def test_a_model_is_what_was_committed(golden: Golden):
    assert golden.path.exists(), f"{golden.place} is new: run `make schemas` and commit it"
    committed, now = golden.committed(), golden.schema()
    broken = breaks(committed, now, golden.direction)
    assert not broken, f"{golden.place}: {'; '.join(broken)}. {golden.advice()}"
    assert now == committed, (
        f"{golden.place} has grown in a way that breaks nobody: run `make schemas` and commit it"
    )


def test_no_schema_is_left_behind():
    committed = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.json")}
    gone = committed - {one.place for one in ALL}
    assert not gone, f"nothing has these schemas any more, but somebody may still use them: {gone}"
    assert len(ALL) == len({one.place for one in ALL})


def test_words_are_left_out_but_fields_of_that_name_are_kept():
    problem = next(one for one in ALL if one.place == "api_answers/Problem.v1.json").schema()
    assert problem["properties"]["title"] == {"type": "string"}
    agent = next(one for one in ALL if one.place == "api_answers/Agent.v1.json").schema()
    assert "description" in agent["properties"]
    assert "description" not in agent


class _Broken(task_events.StepFailed):
    error: int  # type: ignore[assignment]  # that is the point


class _Grown(task_events.StepFailed):
    hint: str | None = None


@pytest.mark.parametrize(
    ("model", "code", "says"),
    [(_Broken, 1, "version = 2"), (_Grown, 0, ""), (task_events.StepFailed, 0, "")],
)
def test_writing_keeps_what_the_new_schema_would_break(
    model: type[task_events.StepFailed],
    code: Literal[0, 1],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    place = "events/step.failed.v1.json"
    before = Golden(place, task_events.StepFailed, "validation", BOTH, A_MESSAGE)
    after = Golden(place, model, "validation", BOTH, A_MESSAGE)
    monkeypatch.setattr(golden, "FOLDER", tmp_path)
    for one in (before, after):
        monkeypatch.setattr(golden, "goldens", lambda one=one: iter([one]))
        found = golden.main()
    assert found == code
    kept = before if code else after
    assert json.loads((tmp_path / place).read_text()) == kept.schema()
    assert says in capsys.readouterr().err


def test_every_event_of_the_catalogue_has_its_file():
    types = {f"{event.type}.v{event.version}.json" for some in EVENTS.values() for event in some}
    assert types == {path.name for path in (FOLDER / "events").iterdir()}
