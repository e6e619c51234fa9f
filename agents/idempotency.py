"""The memory that lets a repeated call get the first answer instead of a second execution."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

from cachetools import TTLCache

KEEP_SECONDS = 3600.0
MAX_BYTES = 16 * 1024 * 1024
ENTRY_BYTES = 1024
"""Counted for every entry on top of its answer, so that many tiny answers are bounded too."""


class AnswerMemory:
    """Answers by Idempotency-Key, kept for `keep_seconds` in at most about `max_bytes`.

    The oldest go first when the room is used up. It lives in the process: a restart forgets.
    """

    def __init__(
        self,
        *,
        keep_seconds: float = KEEP_SECONDS,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._answers: TTLCache[str, bytes] = TTLCache(
            maxsize=max_bytes,
            ttl=keep_seconds,
            timer=clock,
            getsizeof=lambda answer: len(answer) + ENTRY_BYTES,
        )
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def once(self, key: str, work: Callable[[], Awaitable[bytes]]) -> tuple[bytes, bool]:
        """Do `work` unless its answer is known; return the answer and whether it was known.

        A repeat that arrives while the first call still runs waits for it. Whatever `work`
        raises reaches the caller and is not remembered: the next call with that key works anew.
        """
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            known = self._answers.get(key)
            if known is not None:
                return known, True
            answer = await work()
            if len(answer) + ENTRY_BYTES <= self._answers.maxsize:
                self._answers[key] = answer
            return answer, False
