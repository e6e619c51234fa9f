"""The pages say what the code says: links, settings, messages and durables."""

import importlib
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, HttpUrl
from pydantic_core import PydanticUndefined

from contracts import catalogue, topology
from contracts.envelope import Envelope

PROJECT = Path(__file__).resolve().parents[2]
DOCS = PROJECT / "docs"
ARCHITECTURE = (DOCS / "architecture.md").read_text("utf-8")
OPERATIONS = "\n".join(
    page.read_text("utf-8")
    for page in (DOCS / "operations.md", *sorted((DOCS / "operations").glob("*.md")))
)
PAGES = sorted({*PROJECT.glob("*.md"), *PROJECT.glob("[!.]*/*.md"), *DOCS.rglob("*.md")})

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/~<>*+-])/([a-z]\w*)/[\w.-]")
ADDRESSES = {"api", "path", "v1"}
"""First parts of what looks like a path and is an address of the API, or an example."""


def anchors(page: Path) -> set[str]:
    titles = HEADING.findall(CODE.sub("", page.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def rows(page: str) -> list[list[str]]:
    """The cells of all tables of a page, row by row."""
    lines = (line for line in page.splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def row_of(page: str, name: str) -> list[str]:
    found = [cells for cells in rows(page) if f"`{name}`" in cells[0].split(", ")]
    assert len(found) == 1, f"{name} is in the first column of {len(found)} rows"
    return found[0]


def settings() -> Iterator[tuple[str, str, Any]]:
    """Every variable of a settings class: the class, its name in capitals, its default."""
    for path in sorted(PROJECT.glob("[!.]*/settings.py")) + sorted(
        PROJECT.glob("[!.]*/*/settings.py")
    ):
        module = importlib.import_module(".".join(path.relative_to(PROJECT).with_suffix("").parts))
        for thing in vars(module).values():
            if (
                isinstance(thing, type)
                and issubclass(thing, BaseModel)
                and thing.__module__ == module.__name__
            ):
                for name in sorted(thing.__annotations__.keys() & thing.model_fields.keys()):
                    yield module.__name__, name.upper(), thing.model_fields[name].default


def as_written(default: Any) -> str | None:
    """A default as the page shows it; None when it depends on the machine."""
    if default is None or default in ("", ()):
        return "none"
    if isinstance(default, Path) or default is PydanticUndefined:
        return None
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    if isinstance(default, HttpUrl):
        return f"`{str(default).rstrip('/')}`"
    return f"`{Decimal(str(default)).normalize():f}`" if _is_number(default) else f"`{default}`"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal))


SETTINGS = list(settings())


def test_there_are_pages_and_settings_to_look_at() -> None:
    assert PROJECT / "README.md" in PAGES
    assert DOCS / "architecture.md" in PAGES
    assert {"NATS_URL", "BAZAAR_HOME", "BUSY_RATE", "LEASE_S"} <= {name for _, name, _ in SETTINGS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(CODE.sub("", page.read_text("utf-8"))):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.is_relative_to(PROJECT), f"{link} leads out of the project"
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link} names no heading"


@pytest.mark.parametrize("page", [DOCS / "tour.md", PROJECT / "findings/README.md"], ids=str)
def test_what_a_page_says_is_in_a_file_is_there(page: Path) -> None:
    named = re.findall(r"`([\w./-]+/[\w./-]*)`", page.read_text("utf-8"))
    assert len(named) > 5
    assert [path for path in named if not (PROJECT / path).exists()] == []


def test_every_finding_is_in_its_index() -> None:
    scripts = {path.name for path in (PROJECT / "findings").glob("*.sh")}
    index = (PROJECT / "findings/README.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([^`]+)`", index, re.MULTILINE)) == scripts


def test_the_glossary_has_each_word_once() -> None:
    words = re.findall(r"\*\*([^*]+)\*\*", (DOCS / "glossary.md").read_text("utf-8"))
    assert sorted(words) == sorted(set(words))


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text("utf-8")
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in LINK.findall(index)}
    pages = [page for page in DOCS.rglob("*.md") if page.parent.name != "decisions"]
    assert [page for page in pages if page not in linked and page.name != "README.md"] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_no_page_names_a_path_of_a_machine(page: Path) -> None:
    text = page.read_text("utf-8")
    found = [match[0] for match in ABSOLUTE_PATH.finditer(text) if match[1] not in ADDRESSES]
    assert not found
    assert str(PROJECT) not in text


@pytest.mark.parametrize(("where", "name", "default"), SETTINGS, ids=lambda value: str(value)[:40])
def test_every_setting_is_in_operations(where: str, name: str, default: Any) -> None:
    if where == "agents.settings":  # docs/agents.md has their table
        assert f"`{name}`" in OPERATIONS
        return
    found = [cells for cells in rows(OPERATIONS) if cells[0] == f"`{name}`"]
    assert found, f"{name} of {where} is in no table"
    written = as_written(default)
    assert written is None or written in [cells[1] for cells in found]


@pytest.mark.parametrize("context", catalogue.EVENTS)
def test_every_event_is_in_architecture_with_its_publisher(context: str) -> None:
    for event in catalogue.EVENTS[context]:
        assert row_of(ARCHITECTURE, event.type)[1] == context


def test_every_durable_is_in_architecture_as_it_is_declared() -> None:
    for durable in topology.DURABLES:
        cells = row_of(ARCHITECTURE, durable.name)
        assert cells[1:3] == [f"`{durable.filter}`", str(durable.attempts)]


def test_consumers_of_events_are_named() -> None:
    for durable in topology.DURABLES:
        kind, name = durable.filter.split(".", 2)[1:]
        if kind == "evt":
            consumers = row_of(ARCHITECTURE, name.removesuffix(".*"))[2]
            assert durable.name.split("-")[0] in consumers


def test_every_stream_is_in_architecture_as_it_is_declared() -> None:
    for stream in topology.STREAMS:
        cells = next(cells for cells in rows(ARCHITECTURE) if cells[0] == stream.name)
        days = f"{stream.max_age_s // topology.DAY_S} days"
        assert cells[1] == ", ".join(f"`{subject}`" for subject in stream.subjects)
        assert stream.retention == "workqueue" or cells[2] == days


def test_every_request_and_command_is_in_architecture() -> None:
    for context, calls in catalogue.CALLS.items():
        answered = [cells[1] for cells in rows(ARCHITECTURE) if cells[0] in {context, "all four"}]
        for call in calls:
            assert any(f"`{call.verb}`" in cell for cell in answered)
        for command in catalogue.COMMANDS[context]:
            assert f"`{command.type}`" in ARCHITECTURE


def test_every_header_of_the_envelope_is_in_architecture() -> None:
    full = Envelope(
        id="1",
        type="step.completed.v1",
        source="task",
        time="2026-01-02T03:04:05Z",
        subject="t",
        correlation_id="2",
        causation_id="3",
        traceparent="4",
        turn_id="5",
        deadline="2026-01-02T03:04:06Z",
    )
    for header in full.headers():
        row_of(ARCHITECTURE, header)


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(page.name[:4]) for page in sorted((DOCS / "decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
    for page in sorted((DOCS / "decisions").glob("*.md")):
        text = page.read_text("utf-8")
        assert text.startswith(f"# {page.name[:4]}: ")
        assert HEADING.findall(text)[1:] == ["Context", "Decision", "Consequences"]
