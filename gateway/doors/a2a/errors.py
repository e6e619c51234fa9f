"""Refusals as errors of A2A: its own where there is one, with the problem beside it."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TypeVar

import structlog
from a2a.utils.errors import (
    A2AError,
    InternalError,
    InvalidParamsError,
    TaskNotFoundError,
    UnsupportedOperationError,
)

from gateway.doors.shared.answers import Refused
from gateway.doors.shared.telling import problem_of, sentence_of
from gateway.errors import OURS
from gateway.faults import told, where

log = structlog.get_logger()
ItemT = TypeVar("ItemT")

NOT_NOW = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.PAYMENT_REQUIRED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.CONFLICT,
    }
)
"""What is well said and cannot be done as things stand: FAILED_PRECONDITION."""


def error_of(refused: Refused) -> A2AError:
    """A refusal as an error; its data has the problem, in texts, as google.rpc.ErrorInfo does."""
    text = sentence_of(refused)
    data = {name: str(value) for name, value in problem_of(refused).items() if value is not None}
    if refused.status == HTTPStatus.NOT_FOUND and "Task" in refused.sentence:
        return TaskNotFoundError(text, data)
    if refused.status in NOT_NOW:
        return UnsupportedOperationError(text, data)
    if refused.status < HTTPStatus.INTERNAL_SERVER_ERROR and refused.status not in {408, 429}:
        return InvalidParamsError(text, data)
    return InternalError(text, data)


@contextmanager
def known() -> Iterator[None]:
    """What is not there is a task: of no account, or of another one."""
    try:
        yield
    except Refused as refused:
        if refused.status == HTTPStatus.NOT_FOUND:
            raise TaskNotFoundError from None
        raise


@contextmanager
def in_its_words() -> Iterator[None]:
    """Whatever goes wrong within is an error of A2A; details of what nobody expected stay here."""
    try:
        yield
    except Refused as refused:
        raise error_of(refused) from None
    except (A2AError, asyncio.CancelledError, GeneratorExit):
        raise
    except Exception as error:  # noqa: BLE001  (a2a-sdk would send its text to the caller)
        log.error("request failed", door="a2a", error=told(error), at=where(error))
        raise InternalError(OURS) from None


async def stream_in_its_words(items: AsyncGenerator[ItemT]) -> AsyncGenerator[ItemT]:
    """`in_its_words` for a stream; whoever made it closes it."""
    while True:
        with in_its_words():
            try:
                item = await anext(items)
            except StopAsyncIteration:
                return
        yield item
