"""What a handler takes is found out when its service is wired, not when a message comes."""

import json
from functools import partial
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.db.database import Database
from chassis.db.transaction import Transaction
from chassis.handling.injection import Reading, ReplyTo, handler
from contracts import numbers
from contracts.envelope import Envelope
from contracts.errors import Invalid
from contracts.topology import TASK_START, Durable
from tests.chassis.probe import Answer, Happened, Question


async def all_of_it(
    request: Question, db: Database, tx: Transaction, here: Envelope, to: ReplyTo
) -> Answer:
    raise NotImplementedError


bound = partial(all_of_it, db=cast("Database", None))


async def of_who_looks(request: Question, tx: Reading) -> Answer:
    raise NotImplementedError


async def of_a_durable(event: Happened, on: Durable, more: int = 7) -> None:
    assert event.task_id == "t"
    assert on is TASK_START
    assert more == 7


async def of_nothing(here: Envelope) -> None:
    raise NotImplementedError


async def of_two(one: Question, other: Happened) -> None:
    raise NotImplementedError


def test_it_is_read_from_the_signature() -> None:
    found = handler(bound)
    assert found.body == ("request", Question)
    assert (found.tx, found.here, found.reply_to, found.reads) == ("tx", "here", "to", False)
    assert (handler(of_who_looks).tx, handler(of_who_looks).reads) == ("tx", True)


async def test_what_is_the_same_for_all_messages_is_bound() -> None:
    found = handler(of_a_durable, TASK_START)
    assert (found.tx, found.here, found.reply_to) == (None, None, None)
    await found(Happened(task_id="t"), None, "")  # type: ignore[arg-type]  # it takes none


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (all_of_it, "all_of_it takes db, which nobody binds"),
        (of_nothing, "of_nothing takes not one body, but 0"),
        (of_two, "of_two takes not one body, but 2"),
    ],
)
def test_what_nobody_binds_is_told_at_once(function: object, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        handler(function)  # type: ignore[arg-type]  # of every kind


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON))
def test_a_body_is_read_as_python_reads_it(data: dict[str, object]) -> None:
    """Whatever both parsers take becomes the same; what only Python's takes is taken, too."""
    body = json.dumps({"text": "x", "data": data}).encode()
    read = handler(bound).read
    try:
        numbers.check(body)
    except ValueError:
        with pytest.raises(Invalid, match="cannot be taken"):
            read(body)
    else:
        assert read(body) == Question.model_validate(json.loads(body))


def test_what_the_quick_parser_does_not_take_is_taken() -> None:
    deep = "[" * 300 + "]" * 300
    body = f'{{"data": {{"half": "\\ud800", "deep": {deep}}}}}'.encode()
    found = handler(bound).read(body)
    assert isinstance(found, Question)
    assert found.data is not None
    assert found.data["half"] == "\ud800"
