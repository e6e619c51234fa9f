"""Each error of the API: whether asking again may help, when, and what the person is told."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from chat_svc.claude import Limits
from chat_svc.claude.troubles import DELAY_S, LONGEST_DELAY_S, SHORTEST_DELAY_S, retry_after
from chat_svc.orchestrator import Spoiled, Trouble, TryLater
from tests.chat.claude.asking import Asking, situation
from tests.doubles.anthropic import KEY, Failure, Reply

PASSING = [
    (429, "rate_limit_error", "too many requests"),
    (529, "overloaded_error", "overloaded"),
    (500, "api_error", "internal error"),
    (502, "api_error", "internal error"),
    (503, "api_error", "internal error"),
    (504, "timeout_error", "took too long"),
    (408, "timeout_error", "took too long"),
    (409, "api_error", "internal error"),
]
LASTING = [
    (400, "invalid_request_error", "refused the request as invalid: it is what it is"),
    (401, "authentication_error", "does not accept the API key"),
    (402, "billing_error", "cannot pay"),
    (403, "permission_error", "may not use this Claude model"),
    (404, "not_found_error", "There is no Claude model 'claude-test-1'"),
    (413, "request_too_large", "too large"),
    (418, "teapot_error", "answered with an error"),
]


@pytest.mark.parametrize(("status", "kind", "told"), PASSING)
async def test_what_passes_is_tried_later_when_the_server_says(
    claude: Asking, status: int, kind: str, told: str
) -> None:
    failure = Failure(status, kind, "it is what it is", {"retry-after": "17"})
    with pytest.raises(TryLater, match=told) as later:
        await claude.move(situation(), Reply(failure=failure))
    assert later.value.delay_s == 17
    assert len(claude.double.asked) == 1, "the turn waits, not the library"


@pytest.mark.parametrize(("status", "kind", "told"), PASSING)
async def test_without_a_word_of_the_server_it_is_soon(
    claude: Asking, status: int, kind: str, told: str
) -> None:
    with pytest.raises(TryLater, match=told) as later:
        await claude.move(situation(), Reply(failure=Failure(status, kind, "")))
    assert later.value.delay_s == DELAY_S


@pytest.mark.parametrize("told", [{"retry-after": "0"}, {"retry-after-ms": "1"}])
async def test_at_once_is_not_at_once(claude: Asking, told: dict[str, str]) -> None:
    failure = Failure(429, "rate_limit_error", "", told)
    with pytest.raises(TryLater) as later:
        await claude.move(situation(), Reply(failure=failure))
    assert later.value.delay_s == SHORTEST_DELAY_S


@pytest.mark.parametrize("status", [400, 429, 529])
@pytest.mark.parametrize(
    "body", ["", "[]", '"no"', '{"error": "no"}', '{"error": {"type": [], "message": {"a": 1}}}']
)
async def test_an_error_in_odd_words_is_one_all_the_same(
    claude: Asking, status: int, body: str
) -> None:
    reply = Reply(raw=body, media_type="application/json", status=status)
    with pytest.raises(Trouble if status == 400 else TryLater):
        await claude.move(situation(), reply)


@pytest.mark.parametrize(("status", "kind", "told"), LASTING)
async def test_what_does_not_pass_ends_the_turn(
    claude: Asking, status: int, kind: str, told: str
) -> None:
    with pytest.raises(Trouble, match=told) as trouble:
        await claude.move(situation(), Reply(failure=Failure(status, kind, "it is what it is")))
    assert "(request req_" in trouble.value.message


async def test_a_limit_that_does_not_pass_is_not_waited_for(claude: Asking) -> None:
    headers = {"retry-after": "3", "x-should-retry": "false"}
    failure = Failure(429, "rate_limit_error", "Your spending limit is reached.", headers)
    with pytest.raises(Trouble, match=r"too many requests.*Your spending limit is reached"):
        await claude.move(situation(), Reply(failure=failure))


async def test_a_wrong_key_is_told_and_not_shown(claude: Asking) -> None:
    with pytest.raises(Trouble, match="does not accept the API key") as trouble:
        await claude.move(situation(), key="sk-ant-wrong")
    assert "sk-ant-wrong" not in trouble.value.message
    assert KEY not in trouble.value.message


@pytest.mark.parametrize(
    ("kind", "told"), [("overloaded_error", "overloaded"), ("api_error", "internal error")]
)
async def test_an_error_in_the_middle_of_an_answer(claude: Asking, kind: str, told: str) -> None:
    reply = Reply(say=["A long answer"], pieces=4, failure=Failure(529, kind, "sorry"))
    with pytest.raises(Spoiled, match=told) as spoiled:
        await claude.move(situation(), reply)
    assert claude.said == ["A long answe"]
    assert was_counted(spoiled.value)


def was_counted(spoiled: Spoiled) -> bool:
    """Whether what an answer used is known, though it has no end."""
    assert spoiled.tokens is not None
    return spoiled.tokens.input > 1_000 and spoiled.tokens.output == 1


@pytest.mark.parametrize("pieces", [1, 4, 6])
async def test_a_connection_that_breaks_off(claude: Asking, pieces: int) -> None:
    with pytest.raises(Spoiled, match="connection to Claude failed") as spoiled:
        await claude.move(situation(), Reply(say=["A long answer"], pieces=pieces))
    assert was_counted(spoiled.value)


async def test_a_connection_that_breaks_off_before_an_answer(claude: Asking) -> None:
    with pytest.raises(TryLater, match="connection to Claude failed"):
        await claude.move(situation(), Reply(say=["A long answer"], pieces=0))


async def test_something_else_in_place_of_the_api(claude: Asking) -> None:
    with pytest.raises(Spoiled, match="Claude's answer broke off"):
        await claude.move(situation(), Reply(raw="<html>Please log in</html>"))


TOO_LATE = (Spoiled, TryLater)
"""Which of them it is depends on whether the answer had begun by then."""


async def test_an_answer_without_an_end(claude: Asking) -> None:
    for limits, seconds_left in ((Limits(move_s=0.3), None), (None, 0.3)):
        with pytest.raises(TOO_LATE, match="did not answer in time"):
            await claude.move(
                situation(seconds_left=seconds_left),
                Reply(say=["A long"], pieces=3, hang=True),
                limits=limits,
            )


async def test_silence(claude: Asking) -> None:
    with pytest.raises(TOO_LATE, match="did not answer in time"):
        await claude.move(
            situation(), Reply(say=["A long"], pieces=3, hang=True), limits=Limits(silence_s=0.2)
        )


async def test_nobody_there(claude: Asking) -> None:
    elsewhere = Asking(claude.double, "http://127.0.0.1:9")
    with pytest.raises(TryLater, match="connection to Claude failed"):
        await elsewhere.move(situation())


def test_retry_after_in_all_its_forms() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    date = format_datetime(now + timedelta(seconds=90), usegmt=True)
    told = {
        "0": 0,
        "12": 12,
        "1.5": 1.5,
        date: 90,
        "-3": None,
        "soon": None,
        "1e99": None,
        "999999999": LONGEST_DELAY_S,
        "": None,
    }
    for text, seconds in told.items():
        assert retry_after({"retry-after": text}, now.timestamp()) == seconds, text
    assert retry_after({"retry-after-ms": "250", "retry-after": "9"}, 0) == 0.25
    assert retry_after({"retry-after-ms": "nan"}, 0) is None
    assert retry_after({}, 0) is None
