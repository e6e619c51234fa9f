"""The committed schemas of all messages and API models (`python -m tests.contracts.golden`).

Writing refuses to replace a schema by one that cannot take its place. A schema that was never
part of a release may be deleted first; then it is written anew.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from contracts.base import Model
from contracts.catalogue import API_ANSWERS, API_BODIES, CALLS, COMMANDS, EVENTS, HINTS
from tests.contracts.compatibility import ACCEPTED, BOTH, PUBLISHED, Direction, Schema, breaks

FOLDER = Path(__file__).parents[2] / "contracts" / "schemas"

ADVICE = (
    "If this was never released, delete contracts/schemas/{place} and run `make schemas`. "
    "Otherwise leave the model as it was and add {beside}, until nobody uses the old one."
)
A_MESSAGE = (
    "a new version beside it: a class of its own with `version = {next}` and a subject of its own, "
    "published together with the old one"
)
A_CALL = "another verb beside it, answered together with the old one"
THE_API = "another field or route beside it, served together with the old one"


@dataclass(frozen=True)
class Golden:
    """One committed schema.

    Attributes:
        place: file below `contracts/schemas`.
        model: what it is the schema of.
        mode: of what a reader demands (validation) or of what is answered (serialization).
        direction: services of two versions run side by side and read each other's messages, so
            these have to fit both ways; the API may accept more, and may say more.
        beside: what to add instead of changing it.
    """

    place: str
    model: type[Model]
    mode: Literal["validation", "serialization"]
    direction: Direction
    beside: str

    @property
    def path(self) -> Path:
        return FOLDER / self.place

    def schema(self) -> Schema:
        """The model's schema as it is now, without its words."""
        found: Schema = self.model.model_json_schema(by_alias=True, mode=self.mode)
        return {**_without_words(found)}

    def committed(self) -> Schema:
        found: Schema = json.loads(self.path.read_text())
        return found

    def advice(self) -> str:
        """What to do about a change that breaks."""
        version = getattr(self.model, "version", 1)
        return ADVICE.format(place=self.place, beside=self.beside.format(next=version + 1))


def goldens() -> Iterator[Golden]:
    """Every schema there has to be."""
    for kind, messages in (("events", EVENTS), ("commands", COMMANDS)):
        for model in (one for some in messages.values() for one in some):
            place = f"{kind}/{model.type}.v{model.version}.json"
            yield Golden(place, model, "validation", BOTH, A_MESSAGE)
    for call in (one for some in CALLS.values() for one in some):
        name = f"{call.context}.{call.verb}.v1.json"
        yield Golden(f"requests/{name}", call.request, "validation", BOTH, A_CALL)
        yield Golden(f"replies/{name}", call.reply, "validation", BOTH, A_CALL)
    for hint in HINTS:
        place = f"hints/{hint.__name__.lower()}.v1.json"
        yield Golden(place, hint, "validation", BOTH, A_MESSAGE)
    for body in API_BODIES:
        place = f"api_bodies/{body.__name__}.v1.json"
        yield Golden(place, body, "validation", ACCEPTED, THE_API)
    for answer in API_ANSWERS:
        place = f"api_answers/{answer.__name__}.v1.json"
        yield Golden(place, answer, "serialization", PUBLISHED, THE_API)


def _without_words(schema: Any, *, names: bool = False) -> Any:
    """Titles and descriptions say nothing about compatibility; `names` marks maps by name."""
    if isinstance(schema, list):
        return [_without_words(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _without_words(value, names=not names and key in ("properties", "$defs"))
        for key, value in schema.items()
        if names or key not in ("title", "description")
    }


def main() -> int:
    """Write every schema that is new or has grown; refuse what breaks."""
    refused = 0
    for golden in goldens():
        schema = golden.schema()
        if golden.path.exists() and (
            broken := breaks(golden.committed(), schema, golden.direction)
        ):
            sys.stderr.write(f"{golden.place}: {'; '.join(broken)}. {golden.advice()}\n")
            refused += 1
            continue
        golden.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False)
        golden.path.write_text(text + "\n")
    return min(refused, 1)


if __name__ == "__main__":
    sys.exit(main())
