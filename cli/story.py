"""The story of a task, told from its events: what happened when, where, and because of what."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from chassis.observability.terminal import one_line, quoted

SHOWN = (
    *("agentName", "agentId", "stepId", "subtaskType", "status", "reason", "price", "quoted"),
    *("amount", "held", "captured", "cost", "externalCost", "billed", "totalCost", "total"),
)
"""What is told of an event, in this order; long texts are left out."""
IN_VALUES = "_.:/@%+-"
"""Signs of values that need no quotes: ids, times, amounts, states."""
Json = dict[str, Any]


def story(events: Sequence[Json]) -> list[str]:
    """The events of the stream in the order of their times, each set in below what caused it.

    One that was stored again, as a replay does it, is told once.
    """
    once = {event["id"] or str(place): event for place, event in reversed([*enumerate(events)])}
    ordered = sorted((one for one in once.values() if one["time"]), key=_at)
    depths: dict[str, int] = {}
    for event in ordered:
        depths[event["id"]] = depths.get(event.get("cause") or "", -1) + 1
    names = {event["id"]: event["type"] for event in ordered}
    rows = [
        (
            f"{(_at(event) - _at(ordered[0])).total_seconds() * 1000:8.0f} ms",
            one_line(event.get("service") or "?"),
            "  " * depths[event["id"]] + one_line(event["type"]),
            f"<- {one_line(names[event['cause']])}" if event.get("cause") in names else "",
            words(event["data"]),
        )
        for event in ordered
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)] if rows else []
    return [
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]
        ).rstrip()
        for row in rows
    ]


def words(data: Json | None) -> str:
    """What an event says, as name=value; nobody's words look like several of them."""
    found = ((name, (data or {}).get(name)) for name in SHOWN)
    return " ".join(
        f"{name}={quoted(one_line(str(value))[:40], IN_VALUES)}"
        for name, value in found
        if value not in (None, "")
    )


def _at(event: Json) -> datetime:
    return datetime.fromisoformat(event["time"])
