"""The probe as a process in which all fails that can, each time with what it was sent.

`python -m tests.chassis.noisy`, with the environment of a service. `data.way` of a question says
how it is to fail, `text` is what an error then says or is about.
"""

import asyncio
import gc
import logging
import threading
import warnings
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NoReturn

import structlog
from sqlalchemy import text as sql

from chassis.db.transaction import Transaction
from chassis.process import run
from chassis.service import Service
from chassis.settings import ServiceSettings
from contracts.base import Page
from contracts.errors import Conflict, Internal, Invalid, Unavailable
from tests.chassis.probe import ASK, Answer, Question, metadata

log = structlog.get_logger("chassis.noisy")  # Of ours, so that LOG_LEVEL counts.
STEERING = "\x1b[2J\x9b\u202e\nforged"
Way = Callable[[str, Transaction], Awaitable[object]]


def fail(said: str) -> NoReturn:
    raise ValueError(said)


async def raises(error: Callable[[str], Exception], said: str, _tx: Transaction) -> NoReturn:
    raise error(said)


async def chained(said: str, _tx: Transaction) -> NoReturn:
    try:
        fail(said)
    except ValueError as error:
        raise RuntimeError(said) from error


async def runs(statement: str, said: str, tx: Transaction) -> None:
    await tx.conn.execute(sql(statement), {"said": said})


async def of_another_shape(said: str, _tx: Transaction) -> None:
    Page.model_validate({"limit": said, said: said})


async def never_looked_at(said: str, _tx: Transaction) -> None:
    asyncio.get_running_loop().call_soon(fail, said)
    forgotten = asyncio.create_task(raises(ValueError, said, _tx))
    await asyncio.wait({forgotten})
    del forgotten
    gc.collect()


async def in_a_thread(said: str, _tx: Transaction) -> None:
    thread = threading.Thread(target=fail, args=(said,))
    thread.start()
    await asyncio.to_thread(thread.join)


class Failing:
    """Fails when it is thrown away."""

    def __init__(self, said: str) -> None:
        self.said = said

    def __del__(self) -> None:
        fail(self.said)


async def thrown_away(said: str, _tx: Transaction) -> None:
    Failing(said)
    gc.collect()


async def by_a_library(said: str, _tx: Transaction) -> None:
    warnings.warn(said, UserWarning, stacklevel=1)
    for name in ("httpx2", "anthropic", "stripe", "nats", "somebody", "talkative"):
        library = logging.getLogger(name)
        if name in ("anthropic", "talkative"):
            library.setLevel(logging.DEBUG)  # As ANTHROPIC_LOG has it.
        library.debug(said)
        library.info("sent %s", said)
        library.warning("it failed: %s", ValueError(said))
        library.error("it failed", exc_info=ValueError(said))
        library.error(ValueError(said))


async def by_ourselves(said: str, _tx: Transaction) -> None:
    error = ValueError(said)
    error.add_note(said)
    log.debug("debugging is on")
    log.info("steering", name=STEERING)
    log.warning("it failed", error=error)
    log.error("it failed", exc_info=error)
    try:
        fail(said)
    except ValueError:
        log.exception("it failed")


WAYS: dict[str, Way] = {
    **{
        error.__name__: partial(raises, error)
        for error in (ValueError, OSError, TimeoutError, Invalid, Conflict, Unavailable, Internal)
    },
    "group": partial(raises, lambda said: ExceptionGroup(said, [ValueError(said)])),
    "chained": chained,
    "duplicate": partial(
        runs, "INSERT INTO inbox (consumer, message_id) VALUES ('c', :said), ('c', :said)"
    ),
    "failing row": partial(runs, "INSERT INTO effects (task_id, what) VALUES (NULL, :said)"),
    "too long": partial(
        runs, "INSERT INTO effects (task_id, what) VALUES ('t', repeat(CAST(:said AS text), 9))"
    ),
    "no number": partial(runs, "SELECT CAST(CAST(:said AS text) AS integer)"),
    "no such column": partial(runs, "SELECT nothing, CAST(:said AS text)"),
    "not of the driver's type": partial(runs, "SELECT CAST(:said AS integer)"),
    "another shape": of_another_shape,
    "never looked at": never_looked_at,
    "in a thread": in_a_thread,
    "thrown away": thrown_away,
    "by a library": by_a_library,
    "by ourselves": by_ourselves,
}


def build(settings: ServiceSettings) -> Service:
    service = Service("probe", settings, metadata)
    jobs: list[str] = []

    async def answer(request: Question, tx: Transaction) -> Answer:
        await WAYS[str((request.data or {})["way"])](request.text, tx)
        jobs.append(request.text)
        return Answer(text="")

    async def job() -> None:
        if jobs:
            fail(jobs.pop())

    service.answer(ASK, answer)
    service.every(0.05, job)
    return service


if __name__ == "__main__":
    run(build, ServiceSettings)
