"""The table of complaints names tests that there are, and every test of this folder."""

import ast
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
PROJECT = FOLDER.parents[1]
COMPLAINTS = 25
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (FOLDER / "README.md").read_text("utf-8").splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| complaint |"))
]
NODE = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
SOURCE = re.compile(r"[\w.-]+/[\w.-]+#\d+")


def named_in(path: Path) -> dict[str, str]:
    """The tests of a file, and their docstrings."""
    return {
        node.name: ast.get_docstring(node) or ""
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:60])
def test_a_complaint_is_held_by_tests_that_there_are(row: list[str]) -> None:
    complaint, sources, held_by = row
    assert complaint
    nodes = NODE.findall(held_by)
    assert nodes or held_by.startswith("comes with ")
    assert held_by.count("::") == len(nodes)
    for file, name in nodes:
        assert name in named_in(PROJECT / file), f"{file}::{name}"
    assert [one for one in sources.split(", ") if one and not SOURCE.fullmatch(one)] == []


def test_every_public_complaint_has_its_row() -> None:
    numbers = [int(row[0].split()[0]) for row in ROWS if row[0][0].isdecimal()]
    # "201 is taken for a failure" is none of the numbered ones.
    assert [number for number in numbers if number <= COMPLAINTS] == list(range(1, COMPLAINTS + 1))


def test_every_test_of_this_folder_is_in_the_table_with_its_sources() -> None:
    listed: dict[str, set[str]] = {}
    for _, sources, held_by in ROWS:
        for _, name in NODE.findall(held_by):
            listed.setdefault(name, set()).update(SOURCE.findall(sources))
    for path in sorted(FOLDER.glob("test_*.py")):
        if path == Path(__file__):
            continue
        for name, told in named_in(path).items():
            assert told, f"{name} says nothing"
            assert name in listed, f"{name} is in no row"
            assert set(SOURCE.findall(told)) <= listed[name], name
