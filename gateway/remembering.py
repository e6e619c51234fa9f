"""What was found out about credentials, for a while: who comes again is not looked up again."""

import re
import time
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from gateway.identity import Unknown

REMEMBERED_S = 5.0
"""How long something is taken from memory, in case its change was not heard."""
MOST = 10_000

FoundT = TypeVar("FoundT")


class Found(NamedTuple, Generic[FoundT]):
    """What there is under an id: None when there is no such credential."""

    value: FoundT | None
    asked_at: float


class Memory(Generic[FoundT]):
    """What was found, by id."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Nothing is known yet; `now` is a clock in seconds."""
        self.now = now
        self._known: dict[str, Found[FoundT]] = {}

    def find(self, id_: str) -> Found[FoundT] | None:
        """What is remembered of an id; None when that is to be looked up."""
        found = self._known.get(id_)
        return found if found and self.now() - found.asked_at < REMEMBERED_S else None

    def keep(self, id_: str, value: FoundT | None, asked_at: float) -> None:
        """Remember what was found by a question that was asked then."""
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[id_] = Found(value, asked_at)

    def forget(self, id_: str) -> None:
        """Have an id looked up anew."""
        self._known.pop(id_, None)


def id_in(token: str, form: re.Pattern[str], wrong: str) -> str:
    """The id in a credential of this form.

    Raises:
        Unknown: it is none; `wrong` says so.
    """
    found = form.fullmatch(token)
    if found is None:
        raise Unknown(wrong)
    return found[1]
