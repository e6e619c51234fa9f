"""Follow-ups on the result of the message before."""

from decimal import Decimal

import pytest

from chat_svc.planner import plan
from tests.chat.planner.expect import Case, steps_of, su, tr
from tests.chat.planner.market import HAIKU, SIX

BUDGET = Decimal(5)
BEFORE = "Solar panels turn light into power."

FOLLOW_UPS: list[Case] = [
    ("Now translate it to German", [tr(BEFORE, "de")]),
    ("Thanks! Now translate it to German", [tr(BEFORE, "de")]),
    ("Great job. Now translate that into German", [tr(BEFORE, "de")]),
    ("Translate this to French", [tr(BEFORE, "fr")]),
    ("translate your last answer to French", [tr(BEFORE, "fr")]),
    ("And in Spanish?", [tr(BEFORE, "es")]),
    ("to Italian too please", [tr(BEFORE, "it")]),
    ("French", [tr(BEFORE, "fr")]),
    ("make it shorter", [su(BEFORE)]),
    ("shorter please", [su(BEFORE)]),
    ("Summarize it in 20 words", [su(BEFORE, max_length=20)]),
    (
        "translate it to German and French, then shorten it",
        [tr(BEFORE, "de"), tr(BEFORE, "fr"), su(0), su(1)],
    ),
    ("Tradúcelo al alemán", [tr(BEFORE, "de")]),
    # A text of its own goes before the result of the message before.
    ("Translate 'hello' to German", [tr("hello", "de")]),
    ("Now translate this to German: hello", [tr("hello", "de")]),
]


@pytest.mark.parametrize(("text", "steps"), FOLLOW_UPS, ids=[text for text, _ in FOLLOW_UPS])
def test_it_means_the_result_before(text: str, steps: list[object]) -> None:
    planned = plan(text, SIX, BUDGET, BEFORE)
    assert steps_of(planned) == steps, planned.reply


def test_a_request_in_free_words_takes_the_result_along() -> None:
    (step,) = plan("Write a haiku about it", (*SIX, HAIKU), BUDGET, BEFORE).steps
    assert step.payload["task"] == f"Write a haiku about it\n\n{BEFORE}"


def test_questions_about_the_market_need_no_agent_in_a_conversation_either() -> None:
    assert plan("what does the translator cost?", SIX, BUDGET, BEFORE).steps == ()
