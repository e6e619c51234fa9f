"""A repeated call gets the first answer: the memory alone, and over HTTP."""

import asyncio
import threading
from decimal import Decimal
from functools import partial

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import PriceTooLowError, UnavailableError
from agents.idempotency import ENTRY_BYTES, AnswerMemory
from agents.service import Agent, Answer, Payload, Text, build_app
from tests.agents.serving import Serve
from tests.support.clients import http_client

KEEP = 100.0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


calls_and_pauses = st.lists(
    st.one_of(st.sampled_from("abc"), st.floats(min_value=0, max_value=KEEP * 1.5)), max_size=40
)


@given(steps=calls_and_pauses)
async def test_every_call_within_the_time_gets_the_first_answer(steps: list[str | float]) -> None:
    clock = Clock()
    memory = AnswerMemory(keep_seconds=KEEP, clock=clock)
    executed = 0
    expected: dict[str, tuple[bytes, float]] = {}

    async def work() -> bytes:
        nonlocal executed
        executed += 1
        return str(executed).encode()

    for step in steps:
        if isinstance(step, float):
            clock.now += step
            continue
        before = executed
        answer, known = await memory.once(step, work)
        remembered, until = expected.get(step, (b"", 0.0))
        if clock.now < until:
            assert (answer, known, executed) == (remembered, True, before)
        else:
            assert (known, executed) == (False, before + 1)
            expected[step] = answer, clock.now + KEEP


@given(sizes=st.lists(st.integers(min_value=0, max_value=6000), max_size=30))
async def test_the_memory_is_bounded(sizes: list[int]) -> None:
    room = 10_000
    memory = AnswerMemory(max_bytes=room, clock=Clock())

    async def answer_of(size: int) -> bytes:
        return b"x" * size

    for number, size in enumerate(sizes):
        answer, known = await memory.once(str(number), partial(answer_of, size))
        assert (len(answer), known) == (size, False)

    async def forgotten() -> bytes:
        raise LookupError

    kept = 0
    for number, size in enumerate(sizes):
        try:
            await memory.once(str(number), forgotten)
        except LookupError:
            continue
        kept += size + ENTRY_BYTES
    assert kept <= room
    if sizes:
        assert kept >= sizes[-1] + ENTRY_BYTES


async def test_an_answer_that_does_not_fit_is_given_but_not_kept() -> None:
    memory = AnswerMemory(max_bytes=2000)

    async def large() -> bytes:
        return b"x" * 3000

    assert await memory.once("key", large) == (b"x" * 3000, False)
    assert await memory.once("key", large) == (b"x" * 3000, False)


async def test_a_repeat_waits_for_the_call_that_runs() -> None:
    memory = AnswerMemory()
    gate = asyncio.Event()
    executed = 0

    async def work() -> bytes:
        nonlocal executed
        executed += 1
        await gate.wait()
        return b"done"

    async def other() -> bytes:
        return b"other"

    calls = [asyncio.create_task(memory.once("key", work)) for _ in range(5)]
    assert await memory.once("another key", other) == (b"other", False)
    assert not any(call.done() for call in calls)
    gate.set()
    assert await asyncio.gather(*calls) == [(b"done", False)] + [(b"done", True)] * 4
    assert executed == 1


async def test_a_failure_is_not_remembered() -> None:
    memory = AnswerMemory()

    async def fail() -> bytes:
        raise UnavailableError("busy")

    async def work() -> bytes:
        return b"done"

    for _ in range(2):
        with pytest.raises(UnavailableError):
            await memory.once("key", fail)
    assert await memory.once("key", work) == (b"done", False)


class Job(Payload):
    task: Text


class Workshop:
    """An agent that counts its jobs, waits at a gate, and fails in the ways it is told to."""

    def __init__(self) -> None:
        self.jobs: list[str] = []
        self.failures: list[Exception] = []
        self.started = threading.Event()
        self.gate = threading.Event()

    async def execute(self, payload: Job) -> Answer:
        self.jobs.append(payload.task)
        self.started.set()
        await asyncio.to_thread(self.gate.wait, 10)
        if self.failures:
            raise self.failures.pop()
        return Answer(f"{payload.task} {len(self.jobs)}", Decimal("0.1"), "work", "test")

    async def engine(self) -> str:
        return "test"


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


@pytest.fixture
def client(serve: Serve, workshop: Workshop) -> httpx.Client:
    return serve(
        build_app(
            Agent(
                agent_type="workshop",
                name="Workshop",
                description="",
                skills=("work",),
                base_price=Decimal("0.1"),
                payload=Job,
                execute=workshop.execute,
                engine=workshop.engine,
            )
        )
    )


def post(client: httpx.Client, task: str, key: str | None) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key is not None else {}
    return client.post("/execute", json={"task": task}, headers=headers)


def test_the_key_alone_decides(client: httpx.Client, workshop: Workshop) -> None:
    workshop.gate.set()
    first = post(client, "paint", "1")
    repeat = post(client, "paint it black", "1")
    assert repeat.json() == first.json() == first.json() | {"result": "paint 1"}
    assert "Idempotent-Replayed" not in first.headers
    assert repeat.headers["Idempotent-Replayed"] == "true"
    assert post(client, "paint", "2").json()["result"] == "paint 2"


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_key_every_call_works(
    client: httpx.Client, workshop: Workshop, key: str | None
) -> None:
    workshop.gate.set()
    assert [post(client, "paint", key).json()["result"] for _ in range(2)] == ["paint 1", "paint 2"]


def test_an_endless_key_is_refused(client: httpx.Client, workshop: Workshop) -> None:
    assert post(client, "paint", "k" * 256).status_code == 422
    assert workshop.jobs == []


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (UnavailableError("busy"), 503),
        (PriceTooLowError("too low"), 402),
        (RuntimeError("a secret of the implementation"), 500),
    ],
)
def test_an_error_is_told_and_a_retry_succeeds(
    client: httpx.Client, workshop: Workshop, failure: Exception, status: int
) -> None:
    workshop.gate.set()
    workshop.failures.append(failure)
    refused = post(client, "paint", "1")
    assert refused.status_code == status
    assert refused.json()["detail"]
    assert "secret" not in refused.text
    assert post(client, "paint", "1").json()["result"] == "paint 2"


async def test_twenty_calls_at_once_are_one_job(client: httpx.Client, workshop: Workshop) -> None:
    async with http_client(base_url=client.base_url) as many:
        calls = [
            asyncio.create_task(
                many.post("/execute", json={"task": "paint"}, headers={"Idempotency-Key": "1"})
            )
            for _ in range(20)
        ]
        assert await asyncio.to_thread(workshop.started.wait, 10)
        workshop.gate.set()
        answers = await asyncio.gather(*calls)
    assert workshop.jobs == ["paint"]
    assert {answer.text for answer in answers} == {answers[0].text}
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 19
