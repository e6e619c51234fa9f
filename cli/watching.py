"""Looking on: services, events as they pass, the story of a task, logs."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from chassis.observability.terminal import escaped, one_line
from cli import config
from cli.api import Api
from cli.errors import Code, Failed
from cli.output import say, show
from deploy.local.settings import load

QUIET_S = 1.5
"""A stream that is silent for so long has told all that there was."""
POLL_S = 0.3
SHOWN = ("agentId", "status", "reason", "error", "price", "amount", "cost", "totalCost", "load")


def status(context: typer.Context) -> int:
    """Each service, and whether it answers; exit code 1 when one does not."""
    found = config.of(context)
    health = Api(found).get("/health")
    rows = [
        (name, one["status"], "" if one["ms"] is None else f"{one['ms']} ms", one["detail"] or "")
        for name, one in health["services"].items()
    ]
    show(found, health, ("service", "status", "answers in", ""), rows)
    return int(Code.DONE if health["status"] == "ok" else Code.FAILED)


def events(
    context: typer.Context,
    task: Annotated[str | None, typer.Option(help="Of this task, from its beginning.")] = None,
) -> None:
    """Events as they happen, until Ctrl-C."""
    found = config.of(context)
    api, path = Api(found), f"/api/tasks/{task}/events" if task else "/api/events"
    while True:
        for event in api.events(path):
            say(_line(event, as_json=found.as_json))
        time.sleep(1)


def trace(context: typer.Context, task: str) -> None:
    """The story of a task: what happened when, in which service."""
    found = config.of(context)
    told = [*Api(found).events(f"/api/tasks/{task}/events", QUIET_S)]
    begun = _at(told[0]) if told else datetime.now().astimezone()
    rows = [
        (
            f"{(_at(event) - begun).total_seconds() * 1000:.0f} ms",
            event["type"],
            _words(event["data"]),
        )
        for event in told
    ]
    show(found, told, ("after", "event", ""), rows)


def logs(
    service: Annotated[str | None, typer.Argument(help="One process; all without.")] = None,
    lines: Annotated[int, typer.Option("-n", min=0, help="Of the end of each log.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    grep: Annotated[
        str, typer.Option(help="Lines with this text, such as an X-Request-Id; of all there is.")
    ] = "",
) -> None:
    """Logs of the local stack."""
    folder = load().bazaar_home / "logs"
    kept = sorted(folder.glob(f"{service or '*'}.log*"))
    if not kept:
        raise Failed(f"There is no such log in {folder}.", Code.MISSING)
    for path in kept:
        found = [line for line in path.read_text(errors="replace").splitlines() if grep in line]
        for line in found if grep else found[len(found) - min(lines, len(found)) :]:
            say(f"{path.stem}: {line}")
    if follow:
        for name, line in _appended([path for path in kept if path.suffix == ".log"]):
            if grep in line:
                say(f"{name}: {line}")


def _appended(paths: list[Path]) -> Iterator[tuple[str, str]]:
    """Lines that are added; a log that was emptied is read from its beginning."""
    places = {path: path.stat().st_size for path in paths}
    while True:
        for path, place in places.items():
            with path.open("rb") as log:
                log.seek(place if path.stat().st_size >= place else 0)
                *whole, rest = log.read().split(b"\n")
                places[path] = log.tell() - len(rest)
            yield from ((path.stem, line.decode(errors="replace")) for line in whole)
        time.sleep(POLL_S)


def _line(event: dict[str, Any], *, as_json: bool) -> str:
    if as_json:
        return escaped(json.dumps(event, ensure_ascii=False))
    of = f" {event['taskId']}" if event.get("taskId") else ""
    return one_line(f"{event['time']} {event['type']}{of} {_words(event['data'])}")


def _words(data: dict[str, Any]) -> str:
    return " ".join(f"{name}={one_line(str(data[name]))[:80]}" for name in SHOWN if data.get(name))


def _at(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["time"])
