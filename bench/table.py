"""Rows of figures by system and round, their targets, and the tables that show them."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

THREE_DIGITS = 100
TIMES = "\N{MULTIPLICATION SIGN}"
SYSTEMS = ("this", "0.2.0", "plain", "DBOS", "Express")


@dataclass(frozen=True)
class Target:
    """What a row is to reach.

    Attributes:
        bound: a ratio to the figure of `beside`, or the figure itself.
        least: whether it is to be at least that, or at most.
        beside: the system that it is compared with; None: with nobody.
    """

    bound: float
    least: bool
    beside: str | None = None


def at_least(bound: float, beside: str | None = None) -> Target:
    """So much or more."""
    return Target(bound, True, beside)


def at_most(bound: float, beside: str | None = None) -> Target:
    """So much or less."""
    return Target(bound, False, beside)


@dataclass(frozen=True)
class Row:
    """What one piece of work took or came to.

    Attributes:
        work: what was done.
        unit: of the figures.
        found: for each system one figure a round, the one that has the targets first.
        targets: what the first is to reach.
    """

    work: str
    unit: str
    found: Mapping[str, Sequence[float]]
    targets: tuple[Target, ...] = ()

    def judged(self, target: Target) -> str:
        """The ratio, the target, and whether it is met; nothing when the other is not there."""
        first = next(iter(self.found))
        figures = self.found[first]
        if target.beside is None:
            value, what = statistics.median(figures), ""
        elif target.beside not in self.found:
            return ""
        else:
            # Round by round: both of a round met the same minute.
            others = self.found[target.beside]
            value = statistics.median(a / b for a, b in zip(figures, others, strict=True))
            what = f" {TIMES} {target.beside}"
        met = value >= target.bound if target.least else value <= target.bound
        sign = "≥" if target.least else "≤"
        return f"{value:.2f}{what} ({sign} {target.bound:g}: {'met' if met else '**missed**'})"


def markdown(rows: Sequence[Row]) -> str:
    """A table of rows, with a column for each system that one of them has."""
    shown = sorted({name for row in rows for name in row.found}, key=_place)
    judged = any(row.targets for row in rows)
    lines = [["work", *shown, *["ratio (target)"] * judged]]
    lines.append(["---"] * len(lines[0]))
    for row in rows:
        work = f"{row.work}, {row.unit}" if row.unit else row.work
        ratios = ["; ".join(filter(None, map(row.judged, row.targets)))] * judged
        lines.append([work, *(_cell(row.found.get(name)) for name in shown), *ratios])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _place(name: str) -> tuple[int, int, str]:
    known = SYSTEMS.index(name) if name in SYSTEMS else len(SYSTEMS)
    return known, len(name), name  # Of two sizes the smaller one first.


def _cell(figures: Sequence[float] | None) -> str:
    if not figures:
        return "-"
    value = statistics.median(figures)
    return f"{value:,.0f}" if value >= THREE_DIGITS else f"{value:.3g}"
