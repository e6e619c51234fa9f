"""The envelope: what is written into headers is read out of them again."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import envelope
from contracts.base import Model
from contracts.envelope import Envelope, read_envelope
from contracts.errors import Invalid
from tests.contracts.values import MOMENTS

HEADERS = (
    envelope.ID,
    envelope.TYPE,
    envelope.SOURCE,
    envelope.SUBJECT,
    envelope.ACCOUNT,
    envelope.CORRELATION,
    envelope.CAUSATION,
    envelope.TURN,
    envelope.TRACEPARENT,
)
TEXTS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
ACCOUNTS = st.from_regex(r"\A[A-Za-z0-9_-]{1,64}\Z")
ENVELOPES = st.fixed_dictionaries(
    dict.fromkeys(("id", "type", "source", "subject", "correlation_id"), TEXTS)
    | {
        "account": ACCOUNTS,
        "time": MOMENTS,
        "causation_id": TEXTS | st.none(),
        "traceparent": TEXTS | st.none(),
        "deadline": MOMENTS | st.none(),
    }
).map(Envelope.model_validate)


@given(ENVELOPES)
def test_headers_say_all_of_an_envelope(sent: Envelope):
    read = read_envelope(sent.headers(), fallback_id="unused")
    assert read.model_copy(update={"time": sent.time}) == sent


@given(ENVELOPES)
def test_headers_are_those_of_cloudevents_and_nats(sent: Envelope):
    headers = sent.headers()
    assert headers["ce-specversion"] == "1.0"
    assert headers["Nats-Msg-Id"] == headers["ce-id"] == sent.id
    assert headers["content-type"] == "application/json"
    assert re.fullmatch(r"[\d-]+T[\d:.]+Z", headers["ce-time"])
    assert {"ce-type", "ce-source", "ce-subject", "ce-account"} <= headers.keys()
    assert all(isinstance(value, str) and value for value in headers.values())


@given(TEXTS)
def test_a_hand_made_message_gets_an_envelope_all_the_same(place: str):
    before = datetime.now(UTC)
    read = read_envelope({}, fallback_id=place)
    assert (read.id, read.correlation_id) == (place, place)
    assert (read.account, read.type, read.source, read.subject) == (
        "demo",
        "unknown",
        "unknown",
        "",
    )
    assert (read.causation_id, read.traceparent) == (None, None)
    assert before <= read.time <= datetime.now(UTC)


def test_a_message_with_nothing_but_a_deduplication_id_is_recognised_by_it():
    assert read_envelope({"Nats-Msg-Id": "mine"}, fallback_id="other").id == "mine"


def test_empty_headers_are_as_good_as_none():
    read = read_envelope(
        {envelope.ACCOUNT: "", envelope.ID: "", envelope.CORRELATION: ""}, fallback_id="f"
    )
    assert (read.id, read.account, read.correlation_id) == ("f", "demo", "f")


def test_an_envelope_is_a_model_that_can_be_kept():
    kept = read_envelope({}, fallback_id="x")
    assert isinstance(kept, Model)
    assert Envelope.model_validate(kept.model_dump(mode="json")) == kept


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_a_header_that_grew_is_refused(name: str) -> None:
    """It would be copied into all that the message sets in motion."""
    headers = dict.fromkeys(HEADERS, "x") | {name: "x" * 129}
    with pytest.raises(Invalid, match="The envelope is not valid"):
        read_envelope(headers, fallback_id="unused")


@pytest.mark.parametrize("account", ["a b", "a.b", "*", "é", "a" * 65])
def test_an_account_that_cannot_be_is_refused(account: str) -> None:
    with pytest.raises(Invalid, match="account"):
        read_envelope({envelope.ACCOUNT: account}, fallback_id="unused")
