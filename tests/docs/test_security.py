"""Each promise of docs/security.md names tests, and there are tests of these names."""

import re

import pytest

from tests.docs.test_docs import PROJECT

PAGE = (PROJECT / "docs" / "security.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| promise"))
]
TESTS = {
    name
    for path in (PROJECT / "tests").rglob("test_*.py")
    for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:60])
def test_a_promise_is_held_by_tests_that_there_are(row: list[str]) -> None:
    promise, to_whom, held_by = row
    assert promise
    assert to_whom
    files = set(re.findall(r"tests/[\w/]+\.py", held_by))
    short = set(re.findall(r"(?<![/\w])(test_\w+)\.py", held_by))
    names = {name for name in re.findall(r"\btest_\w+\b(?!\.py)", held_by) if name not in short}
    assert files | short | names or "python -m bench." in held_by, "held by nothing"
    for file in files:
        assert (PROJECT / file).is_file(), file
    for file in short:
        assert list((PROJECT / "tests").rglob(f"{file}.py")), file
    assert names - TESTS - {name for name in names if f"{name}.py" in held_by} == set()
    assert "…" not in held_by, "names are written in full"
