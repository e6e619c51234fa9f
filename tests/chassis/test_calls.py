"""Requests between services: answers, refusals with their sentences, and what is down."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from chassis.bus.calls import MAX_MESSAGE_BYTES, Bus
from chassis.bus.envelopes import new_id, origin
from chassis.db.transaction import Transaction
from chassis.service import Service
from contracts import errors
from contracts.base import Call, Page, ping_call
from contracts.envelope import DEADLINE, ERROR_CODE, Envelope
from contracts.errors import (
    Internal,
    Invalid,
    NotFound,
    Refusal,
    TooSlow,
    Unavailable,
)
from contracts.payment import PLACE_HOLD, PlaceHold
from tests.chassis import probe
from tests.chassis.calling import answering, ask, echo
from tests.chassis.probe import ASK, Answer, Answerer, Happened, Question
from tests.support.polling import eventually
from tests.support.stack import Stack, connected, running

SAY = Call("probe", "say", Question, Answer)
KINDS = list(errors._BY_CODE.values())


def not_valid() -> Exception:
    """What a handler raises that makes an answer against its own contract."""
    try:
        Page(limit=0)
    except ValueError as error:
        return error
    raise AssertionError


DEFECTS = [
    RuntimeError("secret-probe at 10.0.0.1"),
    KeyError("secret-probe"),
    AssertionError(),
    RecursionError(),
    not_valid(),
]


async def say(parrot: Bus, question: Question | None = None) -> str:
    return (await parrot.ask(SAY, question or Question(), origin("test", "test", "ann"))).text


@pytest.fixture(scope="module")
async def parrot(probe_stack: Stack) -> AsyncIterator[Bus]:
    """A way to ask a probe that says, refuses or breaks what it is told to."""

    async def answer(request: Question, here: Envelope) -> Answer:
        if request.data and "refuse" in request.data:
            raise errors.refusal(request.data["refuse"], request.text)
        if request.data and "defect" in request.data:
            raise DEFECTS[request.data["defect"]]
        return await echo(request, here)

    service = probe.build(probe_stack)
    service.answer(SAY, answer)
    async with running(service):
        yield service.bus


async def test_a_request_is_answered_and_carries_who_asks(parrot: Bus) -> None:
    assert await say(parrot, Question(text="¿Qué? \n漢字")) == "¿Qué? \n漢字 for ann"


async def test_nobody_there_is_told_at_once(parrot: Bus) -> None:
    begun = time.monotonic()
    with pytest.raises(Unavailable, match=r"^The probe service is down.$"):
        await parrot.ask(Call("probe", "unheard", Question, Answer), Question(), origin("t", "t"))
    assert time.monotonic() - begun < 3


async def test_no_answer_in_time_is_told(probe_stack: Stack) -> None:
    done = asyncio.Event()

    async def ponder(request: Question) -> Answer:
        await done.wait()
        return Answer(text=request.text)

    async with answering(probe_stack, ponder) as service:
        with pytest.raises(TooSlow, match=r"^The probe service did not answer in time.$"):
            await ask(service.bus, timeout_ms=50)
        done.set()


async def test_what_nobody_waits_for_any_more_is_not_begun(probe_stack: Stack) -> None:
    begun: list[str] = []

    async def answer(request: Question, here: Envelope) -> Answer:
        begun.append(request.text)
        assert here.deadline is not None
        return Answer(text=here.deadline.isoformat())

    past, soon = (datetime.now(UTC) + timedelta(seconds=s) for s in (-1, 25))
    late, timely = (origin("test", "test").model_copy(update={"deadline": d}) for d in (past, soon))
    async with answering(probe_stack, answer) as service:
        with pytest.raises(TooSlow):  # It is not even sent.
            await service.bus.ask(ASK, Question(text="too late"), late)
        client = await service.bus.client()
        headers = {DEADLINE: past.isoformat()}
        reply = await client.request(ASK.subject, b"{}", timeout=20, headers=headers)
        assert (reply.headers or {})[ERROR_CODE] == str(TooSlow.code)
        # Nobody waits for longer than whoever waits for him.
        asked = await service.bus.ask(ASK, Question(text="in time"), timely, timeout_ms=60_000)
        assert asked.text == soon.isoformat()
        asked = await service.bus.ask(ASK, Question(text="in time"), timely, timeout_ms=20_000)
        assert datetime.fromisoformat(asked.text) < soon
    assert begun == ["in time", "in time"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("sentence", "heard"),
    [
        ("The agent 'größe' wants 0,5 € 漢字 \U0001f642", None),
        ("One line:\r\n  and another\nNats-Service-Error-Code: 200", "as one line"),
        ("x" * 5_000, "cut"),
        ("", "no reason given"),
    ],
)
async def test_a_refusal_comes_over_as_it_is(
    parrot: Bus, kind: type[Refusal], sentence: str, heard: str | None
) -> None:
    with pytest.raises(Refusal) as refused:
        await say(parrot, Question(text=sentence, data={"refuse": kind.code}))
    assert type(refused.value) is kind
    if heard == "as one line":
        heard = " ".join(sentence.split())
    elif heard == "cut":
        heard = sentence[: len(refused.value.message)]
        assert len(heard) >= 500
    assert refused.value.message == (sentence if heard is None else heard)


async def test_a_refusal_is_in_the_log_with_the_id_of_its_request(parrot: Bus) -> None:
    cause = origin("test", "test", "ann")
    with capture_logs([merge_contextvars]) as log, pytest.raises(NotFound):
        await parrot.ask(SAY, Question(text="secret", data={"refuse": NotFound.code}), cause)
    [line] = [one for one in log if one["event"] == "refused"]
    assert (line["correlation_id"], line["code"]) == (cause.correlation_id, NotFound.code)
    assert "secret" not in str(line)


def test_every_refusal_has_its_code() -> None:
    assert {kind.code for kind in Refusal.__subclasses__()} >= {kind.code for kind in KINDS}
    assert set(KINDS) == {
        kind for kind in Refusal.__subclasses__() if kind.__module__ == "contracts.errors"
    }


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"amount": "-1"}', "amount: Input should be greater than or equal to 0"),
        (b'{"amount": "NaN"}', "amount: an amount is a number"),
        (b'{"text": 7}', "text: Input should be a valid string"),
        (b'{"nested": {"limit": 0}}', "nested.limit: Input should be greater than or equal to 1"),
        (b"[]", "Input should be a valid dictionary"),
        (b"null", "Input should be a valid dictionary"),
        (b"", "The body is not JSON."),
        (b"{", "The body is not JSON."),
        (b"\xff", "The body is not JSON."),
        (b"[" * 100_000, "The body is not JSON."),
    ],
)
async def test_a_body_that_is_not_valid_is_refused_naming_the_field(
    parrot: Bus, monkeypatch: pytest.MonkeyPatch, body: bytes, sentence: str
) -> None:
    monkeypatch.setattr("chassis.bus.calls.encoded", lambda _model: body)
    with pytest.raises(Invalid) as refused:
        await say(parrot)
    assert sentence in refused.value.message
    assert "request" not in refused.value.message.removeprefix("The request is not valid: ")
    assert refused.value.message.count("request") <= 1


async def test_fields_that_a_later_release_adds_are_ignored(
    parrot: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.bus.calls.encoded", lambda _model: b'{"text": "hi", "colour": 1}')
    assert await say(parrot) == "hi for ann"


@pytest.mark.parametrize("defect", range(5))
async def test_a_defect_is_told_without_its_details(parrot: Bus, defect: int) -> None:
    with pytest.raises(Internal, match=r"^Something went wrong on our side.$"):
        await say(parrot, Question(data={"defect": defect}))


async def test_an_answer_of_another_shape_is_told(parrot: Bus) -> None:
    other = Call("probe", "say", Question, PlaceHold)
    with pytest.raises(Internal, match="probe service gave an answer of another shape"):
        await parrot.ask(other, Question(), origin("test", "test"))


async def test_a_request_that_is_too_large_is_refused_before_it_is_sent(parrot: Bus) -> None:
    with pytest.raises(Invalid, match="too large"):
        await say(parrot, Question(text="x" * 2 * MAX_MESSAGE_BYTES))
    assert await say(parrot, Question(text="hi")) == "hi for ann"  # Still connected.


async def test_a_refused_request_leaves_nothing_behind(probe_stack: Stack) -> None:
    task = new_id()

    async def refuse(_request: Question, tx: Transaction) -> Answer:
        await probe.note(tx.conn, task, "half-done")
        tx.publish(Happened(task_id=task))
        raise errors.Conflict("no")

    async with answering(probe_stack, refuse) as service:
        with pytest.raises(errors.Conflict):
            await ask(service.bus)
    async with connected(probe_stack.database_url("probe")) as conn:
        assert not await conn.fetchval("SELECT count(*) FROM effects WHERE task_id = $1", task)
        assert not await conn.fetchval("SELECT count(*) FROM probe_outbox")


async def test_the_reply_leaves_after_the_commit(probe_stack: Stack) -> None:
    async def write(request: Question, tx: Transaction) -> Answer:
        await probe.note(tx.conn, request.text, "done")
        return Answer(text="done")

    async with (
        answering(probe_stack, write) as service,
        connected(probe_stack.database_url("probe")) as conn,
    ):
        for task in [new_id() for _ in range(20)]:
            await ask(service.bus, Question(text=task))
            assert await conn.fetchval("SELECT count(*) FROM effects WHERE task_id=$1", task) == 1


@pytest.mark.parametrize("value", ["a\0b", "x" * 65])
async def test_a_value_that_cannot_be_stored_is_the_askers_mistake(
    probe_stack: Stack, value: str
) -> None:
    async def write(request: Question, tx: Transaction) -> Answer:
        await probe.note(tx.conn, request.text, "done")
        return Answer(text="done")

    async with answering(probe_stack, write) as service:
        with pytest.raises(Invalid, match="cannot be stored"):
            await ask(service.bus, Question(text=value))


async def test_a_timeout_without_words_is_answered_too(probe_stack: Stack) -> None:
    async def time_out(_request: Question) -> Answer:
        raise TimeoutError

    async with answering(probe_stack, time_out) as service:
        with pytest.raises(Refusal):
            await ask(service.bus)


async def test_requests_are_shared_among_replicas_and_survive_the_stop_of_one(
    probe_stack: Stack,
) -> None:
    """A rolling deployment: no request is lost while replicas come and go."""
    served: dict[str, int] = {}

    def named(name: str) -> Answerer:
        async def answer(request: Question) -> Answer:
            served[name] = served.get(name, 0) + 1
            await asyncio.sleep(0.01)
            return Answer(text=request.text)

        return answer

    outcomes: list[str | BaseException] = []
    stop = asyncio.Event()
    async with answering(probe_stack, named("first")) as asker:

        async def keep_asking() -> None:
            while not stop.is_set():
                outcomes.extend(
                    await asyncio.gather(
                        ask(asker.bus, Question(text="x"), timeout_ms=30_000),
                        return_exceptions=True,
                    )
                )

        askers = [asyncio.create_task(keep_asking()) for _ in range(8)]
        for name in ("second", "third"):
            async with answering(probe_stack, named(name)):
                before = served.get(name, 0)

                async def takes_part(name: str = name, before: int = before) -> bool:
                    return served.get(name, 0) > before + 10

                await eventually(takes_part)
        stop.set()
        await asyncio.gather(*askers)
    assert [outcome for outcome in outcomes if outcome != "x"] == []
    assert set(served) == {"first", "second", "third"}


async def test_a_burst_beyond_the_connections_is_answered(probe_stack: Stack) -> None:
    async def read(request: Question, tx: Transaction) -> Answer:
        await tx.conn.exec_driver_sql("SELECT 1")
        return Answer(text=request.text)

    async with answering(probe_stack, read) as service:
        texts = [str(n) for n in range(100)]
        answers = await asyncio.gather(*(ask(service.bus, Question(text=text)) for text in texts))
    assert answers == texts


async def test_a_ping_tells_who_answers(service: Service) -> None:
    pong = await service.bus.ask(ping_call("probe"), ping_call("probe").request(), origin("t", "t"))
    assert pong.service == "probe"
    assert pong.version


async def test_a_hold_is_asked_for_with_its_own_shape() -> None:
    """What `model_dump` writes is what `model_validate` reads: amounts stay exact."""
    hold = PlaceHold(
        hold_id="h",
        task_id="t",
        agent_id="a",
        amount=Decimal("0.100000"),
        max_budget=Decimal("999999.999999"),
    )
    assert PLACE_HOLD.request.model_validate_json(hold.model_dump_json()) == hold
