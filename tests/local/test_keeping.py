"""A copy of a stack's data, and the way back."""

import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from deploy.local import home
from deploy.local.errors import StartError
from deploy.local.keeping import bring_back, keep


def a_stack(folder: Path, word: str) -> Path:
    for part in ("postgres", "nats", "logs"):
        (folder / part).mkdir(parents=True)
        (folder / part / "data").write_text(word)
    (folder / "secrets.json").write_text(word)
    return folder


def test_what_was_kept_comes_back_and_what_was_there_stays(tmp_path: Path) -> None:
    stack, archive = a_stack(tmp_path / "home", "first"), tmp_path / "kept.tar.gz"
    assert keep(stack, archive) == archive.stat().st_size
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    (stack / "postgres" / "data").write_text("second")
    before = bring_back(archive, stack)
    assert before is not None
    assert (stack / "postgres" / "data").read_text() == "first"
    assert (before / "postgres" / "data").read_text() == "second"
    assert not (stack / "logs" / "data").exists()
    assert stat.S_IMODE(stack.stat().st_mode) == 0o700
    # And once more: the name of what is kept aside is a free one.
    again = bring_back(archive, stack)
    assert again is not None
    assert again != before


def test_it_comes_back_where_nothing_is(tmp_path: Path) -> None:
    archive = tmp_path / "kept.tar.gz"
    keep(a_stack(tmp_path / "home", "first"), archive)
    assert bring_back(archive, tmp_path / "elsewhere") is None
    assert (tmp_path / "elsewhere" / "secrets.json").read_text() == "first"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "home", "kept.tar.gz"]


def test_a_stack_that_runs_is_left_alone(tmp_path: Path) -> None:
    stack, archive = a_stack(tmp_path / "home", "first"), tmp_path / "kept.tar.gz"
    keep(stack, archive)
    kept = archive.read_bytes()
    with home.opened(stack):
        for work in (lambda: keep(stack, archive), lambda: bring_back(archive, stack)):
            with pytest.raises(StartError, match="already runs"):
                work()
    assert archive.read_bytes() == kept


def test_what_is_no_copy_of_a_stack_changes_nothing(tmp_path: Path) -> None:
    stack = a_stack(tmp_path / "home", "first")
    wrong = tmp_path / "wrong.tar.gz"
    wrong.write_bytes(b"nothing")
    cut = tmp_path / "cut.tar.gz"
    keep(stack, cut)
    cut.write_bytes(cut.read_bytes()[:-40])
    other = tmp_path / "other.tar.gz"
    with tarfile.open(other, "w:gz") as tar:
        tar.add(wrong, arcname="../../wrong")
    for archive in (wrong, cut, other, tmp_path / "none.tar.gz"):
        with pytest.raises(StartError):
            bring_back(archive, stack)
    with pytest.raises(StartError, match="is no whole archive"):
        bring_back(wrong, stack)
    assert (stack / "secrets.json").read_text() == "first"
    assert not (tmp_path / "home.new").exists()
    with pytest.raises(StartError, match="no stack"):
        keep(tmp_path / "nothing", tmp_path / "x.tar.gz")


def test_a_restore_that_died_between_its_renames_is_finished(tmp_path: Path) -> None:
    """By whatever opens the stack next: an empty one is never begun in its place."""
    stack = a_stack(tmp_path / "home", "second")
    a_stack(tmp_path / "home.new", "first")
    assert not home.finish_restore(stack)  # It may have died while it unpacked.
    stack.rename(tmp_path / "home.before")
    assert home.finish_restore(stack)
    assert (stack / "postgres" / "data").read_text() == "first"
    assert not home.finish_restore(stack)


def test_a_restore_that_is_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, archive = a_stack(tmp_path / "home", "first"), tmp_path / "kept.tar.gz"
    keep(stack, archive)
    was = sorted(path.name for path in tmp_path.iterdir())
    whole = tarfile.TarFile.chown

    def pressed(tar: tarfile.TarFile, *what: Any) -> None:
        whole(tar, *what)
        raise KeyboardInterrupt

    monkeypatch.setattr(tarfile.TarFile, "chown", pressed)
    with pytest.raises(KeyboardInterrupt):
        bring_back(archive, stack)
    assert sorted(path.name for path in tmp_path.iterdir()) == was
    assert (stack / "postgres" / "data").read_text() == "first"
