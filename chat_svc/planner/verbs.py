"""Verbs of requests and the kind of work of each."""

import re
from dataclasses import dataclass
from functools import cache

from chat_svc.planner.forms import data, spell_out
from chat_svc.planner.wish import BY_KEY, Family


@dataclass(frozen=True, slots=True)
class Verb:
    """A way to ask for the work of a family.

    Attributes:
        language: where a language must be named for it to mean this family: "inside", "after";
            empty for anywhere or nowhere.
        weak: an agent that offers the subject itself comes first ("tell me about the weather").
    """

    family: Family
    pattern: re.Pattern[str]
    language: str = ""
    weak: bool = False


@cache
def verbs() -> tuple[Verb, ...]:
    """All of them, in the order in which they are tried."""
    return tuple(
        Verb(
            BY_KEY[one["kind"]],
            re.compile(f"(?:{spell_out(one['pattern'])})(?![\\w])"),
            one.get("language", ""),
            one.get("weak", False),
        )
        for one in data("verbs")["verb"]
    )
