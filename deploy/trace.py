"""Tells the story of a task from its events: `make trace TASK=<id>`, or `python -m deploy.trace`.

It asks as anybody may who only looks, while the task runs and for 30 days after.
"""

import asyncio
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import nats
from nats.errors import Error as NatsError

from chassis.observability.terminal import one_line, plain, quoted
from contracts.envelope import CAUSATION, ERROR_TEXT, ID, SOURCE, TIME
from contracts.permissions import LOOKING
from deploy.local.errors import StartError
from deploy.local.settings import load

WAIT_S = 5.0
SHOWN = (
    *("agentName", "agentId", "stepId", "subtaskType", "status", "reason", "price", "quoted"),
    *("amount", "held", "captured", "cost", "externalCost", "billed", "totalCost", "total"),
)
"""What is told of a body, in this order; long texts are left out."""
IN_VALUES = "_.:/@%+-"
"""Signs of values that need no quotes: ids, times, amounts, states."""


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of a task."""

    id: str
    cause: str | None
    at: datetime
    who: str
    what: str
    body: dict[str, Any]


def happened(shown: dict[str, Any]) -> Happened:
    """An event as the keeper of the bus shows it."""
    headers = shown["headers"]
    return Happened(
        id=headers.get(ID, ""),
        cause=headers.get(CAUSATION),
        at=datetime.fromisoformat(headers.get(TIME) or shown["time"]),
        who=headers.get(SOURCE, "?"),
        what=".".join(shown["subject"].split(".")[2:4]),
        body=shown["data"] if isinstance(shown["data"], dict) else {},
    )


def story(events: Sequence[Happened]) -> list[str]:
    """The events in the order of their times, each set in below the one that caused it.

    One that was stored again, as a replay does it, is told once.
    """
    once = {event.id or str(number): event for number, event in reversed([*enumerate(events)])}
    ordered = sorted(once.values(), key=lambda event: event.at)
    depths: dict[str, int] = {}
    for event in ordered:
        depths[event.id] = depths[event.cause] + 1 if event.cause in depths else 0
    names = {event.id: event.what for event in ordered}
    rows = [
        (
            f"{(event.at - ordered[0].at).total_seconds() * 1000:8.0f} ms",
            one_line(event.who),
            "  " * depths[event.id] + one_line(event.what),
            f"<- {one_line(names[event.cause])}" if event.cause in names else "",
            _told(event.body),
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


def _told(body: dict[str, Any]) -> str:
    found = ((name, body[name]) for name in SHOWN if body.get(name) not in (None, ""))
    return " ".join(
        f"{name}={quoted(one_line(str(value))[:40], IN_VALUES)}" for name, value in found
    )


async def _quiet(_error: Exception) -> None:
    """The end of the attempt says it, in words."""


async def events_of(url: str, task_id: str) -> list[Happened]:
    """All events of a task that are in the stream now."""
    async with asyncio.timeout(WAIT_S):  # The client itself would go on trying.
        client = await nats.connect(
            url.split(","), connect_timeout=2, max_reconnect_attempts=1, error_cb=_quiet
        )
    try:
        found: list[Happened] = []
        after, left = 0, 1
        while left:
            asked = json.dumps({"after": after}).encode()
            reply = await client.request(f"{LOOKING}.task.{task_id}", asked, timeout=WAIT_S)
            if refused := (reply.headers or {}).get(ERROR_TEXT):
                raise StartError(refused)
            page = json.loads(reply.data)
            found += [happened(shown) for shown in page["events"]]
            after = page["events"][-1]["sequence"] if page["events"] else after
            left = page["left"]
        return found
    finally:
        await client.close()


async def tell(task_id: str) -> int:
    """Print the story; returns the exit code."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", task_id):
        print("Name a task: make trace TASK=<id>. GET /api/tasks lists them.", file=sys.stderr)
        return 2
    try:
        settings = load()
        url = settings.nats_url or f"nats://127.0.0.1:{settings.nats_port}"
        events = await events_of(url, task_id)
    except (NatsError, TimeoutError, OSError) as error:
        print(f"NATS cannot be reached ({type(error).__name__}); is it up?", file=sys.stderr)
        return 1
    except StartError as error:
        print(plain(str(error)), file=sys.stderr)
        return 1
    if not events:
        print(f"There is no event of a task {task_id}; events are kept for 30 days.")
        return 1
    print("\n".join(story(events)))
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(tell(sys.argv[1] if len(sys.argv) > 1 else "")))
