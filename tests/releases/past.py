"""Earlier releases, as they were recorded: their messages, their schemas, their databases."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.base import Model
from contracts.catalogue import CALLS, COMMANDS, EVENTS

HERE = Path(__file__).parent
RELEASES = tuple(sorted(path.name for path in HERE.iterdir() if (path / "messages.json").exists()))


@dataclass(frozen=True)
class Recorded:
    """A message as an earlier release sent it; `kind` is such as `events/step.completed.v1`."""

    release: str
    kind: str
    subject: str
    headers: dict[str, str]
    body: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.release}:{self.kind}"


def _read(release: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / release / name).read_text())
    return found


def recorded(release: str) -> list[Recorded]:
    """One message of every kind."""
    return [Recorded(release, kind, **it) for kind, it in _read(release, "messages.json").items()]


def schemas(release: str) -> dict[str, dict[str, Any]]:
    """JSON Schemas by kind, without titles and descriptions."""
    return _read(release, "schemas.json")


def database(release: str, context: str) -> dict[str, Any]:
    """A context's `revision`, some `rows` by table, and the `statements` that it used."""
    found: dict[str, Any] = _read(release, "database.json")[context]
    return found


def models() -> dict[str, type[Model]]:
    """Today's models by kind."""
    found: dict[str, type[Model]] = {}
    for kind, messages in (("events", EVENTS), ("commands", COMMANDS)):
        for some in messages.values():
            found |= {f"{kind}/{model.type}.v{model.version}": model for model in some}
    for calls in CALLS.values():
        for call in calls:
            found[f"requests/{call.context}.{call.verb}.v1"] = call.request
            found[f"replies/{call.context}.{call.verb}.v1"] = call.reply
    return found
