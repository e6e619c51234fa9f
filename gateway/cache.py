"""Answers that may be given again, and what was heard since they were asked for.

An answer counts while nothing that it tells of has changed, as far as is known, since it was asked
for; and for two seconds at most. What is known are the hints of the services, and the writes that
were answered here. So a caller never sees less than its own last write, whatever hints are late.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

LIVES_S = 2.0
"""How long an answer counts, whatever is heard: what a lost hint can cost."""
SILENT_S = 3.0
"""A context of which nothing was heard for so long may change unheard of."""
APART_S = 30.0
"""How long nothing of a context is kept when one of its replicas does not tell of changes."""
NEVER = float("-inf")


class Key(NamedTuple):
    """What an answer is the answer to.

    Attributes:
        context: the service whose data it shows.
        account: whose; empty for what everybody is shown alike.
        path: of the request.
        query: its parameters, in one order.
    """

    context: str
    account: str
    path: str
    query: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Answer:
    """An answer as it is sent, and the route that gave it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    route: object
    tag: bytes = b""

    @property
    def weight(self) -> int:
        """Bytes that it takes, about."""
        return len(self.body) + OVERHEAD


OVERHEAD = 2048
"""Bytes of headers, key and the like."""


@dataclass(slots=True)
class _Context:
    """What is known of a service.

    Attributes:
        heard_at: when it last said something.
        since: since when nothing of it can have been missed.
        apart_until: until when some replica is taken to change things untold.
    """

    heard_at: float = NEVER
    since: float = NEVER
    apart_until: float = NEVER


class Cache:
    """Keeps answers as long as they count, and no more bytes than it may."""

    def __init__(self, most_bytes: int, now: Callable[[], float] = time.monotonic) -> None:
        """Nothing is kept before something was heard; `now` is a clock in seconds."""
        self._most = most_bytes
        self._now = now
        # Both in the order in which they came, so that what is too old is in front.
        self._kept: OrderedDict[Key, tuple[float, Answer]] = OrderedDict()
        self._changed: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._contexts: dict[str, _Context] = {}
        self.weight = 0

    def now(self) -> float:
        """The time, by the clock that answers are kept by."""
        return self._now()

    def heard(self, context: str, accounts: Collection[str] | None) -> None:
        """Take a hint: something of these accounts changed; None for everybody's."""
        now = self._now()
        known = self._contexts.setdefault(context, _Context())
        if now - known.heard_at >= SILENT_S:
            known.since = now
        known.heard_at = now
        for account in [""] if accounts is None else accounts:
            self.changed(context, account)
        self._tidy(now)

    def changed(self, context: str, account: str) -> None:
        """Something of an account changed, or with an empty one of everybody."""
        self._note((context, account), self._now())

    def apart(self, context: str) -> None:
        """A replica of the context does not tell of changes: hints alone say too little."""
        self._contexts.setdefault(context, _Context()).apart_until = self._now() + APART_S

    def wrote(self, account: str) -> None:
        """A write of the account is about to be answered: what was asked before is too old."""
        now = self._now()
        self._note(("", account), now)
        self._tidy(now)

    def lost(self) -> None:
        """Hints may have been missed: forget everything, and begin again with the next."""
        self._contexts = {
            name: _Context(apart_until=known.apart_until) for name, known in self._contexts.items()
        }
        self._kept.clear()
        self.weight = 0

    def counts(self, key: Key, asked_at: float) -> bool:
        """Whether an answer that was asked for then would be as good as a new one."""
        now = self._now()
        known = self._contexts.get(key.context)
        if known is None or now - known.heard_at >= SILENT_S or now < known.apart_until:
            return False
        changed = self._changed.get
        return (
            now - asked_at < LIVES_S
            and asked_at > known.since
            and asked_at > changed((key.context, ""), NEVER)
            and asked_at > changed((key.context, key.account), NEVER)
            and asked_at > changed(("", key.account), NEVER)
        )

    def find(self, key: Key) -> Answer | None:
        """The answer that is kept, when it counts."""
        kept = self._kept.get(key)
        return kept[1] if kept is not None and self.counts(key, kept[0]) else None

    def keep(self, key: Key, asked_at: float, answer: Answer) -> None:
        """Keep an answer that was asked for then, if it counts."""
        if answer.weight > self._most or not self.counts(key, asked_at):
            return
        self._drop(key)
        self._kept[key] = (asked_at, answer)
        self.weight += answer.weight
        while self.weight > self._most:
            self._drop(next(iter(self._kept)))

    def _tidy(self, now: float) -> None:
        """Drop what is too old to count, and what changed before anything that counts."""
        old = now - LIVES_S
        while self._kept and self._kept[first := next(iter(self._kept))][0] <= old:
            self._drop(first)
        while self._changed and self._changed[about := next(iter(self._changed))] <= old:
            del self._changed[about]

    def _note(self, about: tuple[str, str], now: float) -> None:
        self._changed.pop(about, None)
        self._changed[about] = now

    def _drop(self, key: Key) -> None:
        if (gone := self._kept.pop(key, None)) is not None:
            self.weight -= gone[1].weight
