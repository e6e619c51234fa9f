"""Looking on: services, events as they pass, the story of a task, logs."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from chassis.observability.terminal import escaped, one_line
from cli import config
from cli.api import Api, part
from cli.errors import Code, Failed
from cli.output import note, say, show
from cli.story import story, words
from deploy.local.settings import load

QUIET_S = 1.5
"""A stream that is silent for so long has told all that there was."""
POLL_S = 0.3


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
    """Events as they happen, until Ctrl-C; a gateway that goes away is waited for."""
    found = config.of(context)
    api, path = Api(found), f"/api/tasks/{part(task)}/events" if task else "/api/events"
    place, begun, away = None, False, False
    while True:
        try:
            for at, event in api.events(path, after=place):
                place, away = at, False
                say(_line(event, as_json=found.as_json))
            begun = True
        except Failed as error:
            if error.code is not Code.AWAY or not (begun or place):
                raise
            if not away:
                note(f"{error} Trying again.")
            away = True
        time.sleep(1)


def trace(context: typer.Context, task: str) -> int:
    """The story of a task: what happened when, in which service, because of what."""
    found = config.of(context)
    told = [event for _, event in Api(found).events(f"/api/tasks/{part(task)}/events", QUIET_S)]
    if found.as_json:
        show(found, told, (), ())
        return int(Code.DONE)
    for line in story(told):
        say(line)
    if not told:
        note(f"There is no event of a task {task}; they are kept for 30 days.")
    return int(Code.DONE if told else Code.MISSING)


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
    return one_line(f"{event['time']} {event['type']}{of} {words(event['data'])}")
