"""What is printed: tables for people, JSON for programs; nobody's words steer the terminal."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chassis.observability.terminal import escaped, one_line, plain
from cli.config import Config

Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many, newest first.")]
MOST_COLUMNS = 10_000
"""Of a table that no terminal shows: a row is a line."""


def say(text: str) -> None:
    """A line on standard output, as it is, and at once: what follows may be long in coming."""
    sys.stdout.write(f"{plain(text)}\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """A line on standard error: of use to people, and no part of the result."""
    sys.stderr.write(f"{plain(text)}\n")


def show(config: Config, found: Any, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """The answer as JSON when that is wanted, else as a table; a sentence when there is nothing."""
    if config.as_json:
        sys.stdout.write(f"{escaped(json.dumps(found, ensure_ascii=False))}\n")
        return
    lines = [[Text(one_line(_text(cell))) for cell in row] for row in rows]
    if not lines:
        note("There is nothing yet.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for at, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=at == 0)
    for line in lines:
        table.add_row(*line)
    if sys.stdout.isatty():
        Console().print(table)
        return
    wide = Console(width=MOST_COLUMNS, color_system=None)
    with wide.capture() as captured:
        wide.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def _text(cell: Any) -> str:
    """A cell in words, empty for nothing; what has parts is JSON, as the API has it."""
    if cell is None or cell == []:
        return ""
    return json.dumps(cell, ensure_ascii=False) if isinstance(cell, dict | list) else str(cell)
