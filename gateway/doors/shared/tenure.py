"""An answer that takes a while, told for as long as the credential holds that asked for it.

Event streams of the API look after that themselves; this is for what else is told as it goes on.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.types import Scope as Outer

from chassis.endings import end
from gateway.doors.shared.answers import Refused
from gateway.doors.shared.asgi import over
from gateway.doors.shared.inside import caller_of
from gateway.identity import Over, Scope

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tellable(Generic[T]):
    """What comes of some work, as far as it may be told; the work goes on without."""

    work: "asyncio.Future[T]"
    over: "asyncio.Future[Refused] | None"

    @property
    def there(self) -> bool:
        """Whether `result` can be told now."""
        return self.work.done() or (self.over is not None and self.over.done())

    async def soon(self, wait_s: float) -> bool:
        """Wait until it is there, or so long; whether it is."""
        both = {self.work} if self.over is None else {self.work, self.over}
        await asyncio.wait(both, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        return self.there

    def result(self) -> T:
        """What came of the work.

        Raises:
            Refused: the work was, or its caller may not be told any more.
        """
        if self.over is not None and self.over.done():
            raise self.over.result()
        return self.work.result()


@asynccontextmanager
async def while_known(
    outer: Outer, wanted: Scope, work: "asyncio.Future[T]"
) -> AsyncIterator[Tellable[T]]:
    """Tell of `work` while the caller of `outer` has the scope `wanted`."""
    identity = caller_of(outer)
    if identity is None or identity.over is None:
        yield Tellable(work, None)
        return
    watching = asyncio.ensure_future(_over(identity.over, wanted))
    try:
        yield Tellable(work, watching)
    finally:
        await end(watching)


async def _over(ends: Callable[[Scope], Awaitable[Over]], wanted: Scope) -> Refused:
    return over(await ends(wanted))
