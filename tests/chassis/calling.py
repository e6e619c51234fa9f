"""Asking the probe."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.bus.calls import Bus
from chassis.bus.envelopes import origin
from chassis.service import Service
from contracts.envelope import Envelope
from tests.chassis import probe
from tests.chassis.probe import ASK, Answer, Answerer, Question
from tests.support.stack import Stack, running


@asynccontextmanager
async def answering(stack: Stack, answer: Answerer) -> AsyncIterator[Service]:
    async with running(service := probe.build(stack, answer)):
        yield service


async def ask(bus: Bus, question: Question | None = None, timeout_ms: int = 30_000) -> str:
    cause = origin("test", "test", "ann")
    return (await bus.ask(ASK, question or Question(), cause, timeout_ms=timeout_ms)).text


async def echo(request: Question, here: Envelope) -> Answer:
    return Answer(text=f"{request.text} for {here.account}")
