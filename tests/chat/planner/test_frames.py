"""One wish over several turns: what was left open is filled in, and what was said is changed."""

from decimal import Decimal

import pytest

from chat_svc.planner import Earlier, Made, plan
from tests.chat.planner.expect import se, steps_of, su, tr
from tests.chat.planner.market import SIX

BUDGET = Decimal(5)
TEA = "Tea was first grown in China. Monks carried it to Japan. Traders brought it to Europe."
ASKED = (
    Earlier(
        "Translate 'the dog' to Italian", "il cane", (Made("il cane", "translate", "the dog"),)
    ),
)
FOUND = "1. Tea: a drink (source: a)\n\n2. Cup: a thing (source: b)\n\nSearched: a local index."
SEARCHED = (Earlier("Search for tea", FOUND, (Made(FOUND, "search", "tea"),)),)
SUMMED = (Earlier(f"Summarize: {TEA}", "Tea is old.", (Made("Tea is old.", "summarize", TEA),)),)


@pytest.mark.parametrize(
    ("before", "said", "steps"),
    [
        (["Translate this to French"], "The water is clean.", [tr("The water is clean.", "fr")]),
        (["Translate this to French"], "what is love?", [tr("what is love?", "fr")]),
        (["Translate this to French"], "good morning", [tr("good morning", "fr")]),
        (["Translate 'x'"], "to Spanish please", [tr("x", "es")]),
        (["Translate 'x'"], "German", [tr("x", "de")]),
        (["translate", "to French"], "hello there", [tr("hello there", "fr")]),
        (["Translate 'x' to Klingonese"], "sorry, I meant Spanish", [tr("x", "es")]),
        (["search for"], "whales", [se("whales")]),
        (["Summarize this"], TEA, [su(TEA)]),
        ([TEA], "summarize it", [su(TEA)]),
        ([f"{TEA}\n\n{TEA}"], "translate it to German", [tr(f"{TEA}\n\n{TEA}", "de")]),
        # What asks for something of its own is no answer to the question before.
        (["Translate this to French"], "search for tea", [se("tea")]),
        (["Translate 'x'"], "never mind", []),
        (["Translate this to French"], "what's my balance?", []),
    ],
)
def test_the_next_message_fills_what_was_open(
    before: list[str], said: str, steps: list[object]
) -> None:
    planned = plan(said, SIX, BUDGET, earlier=[Earlier(one) for one in before])
    assert steps_of(planned) == steps, planned.reply


@pytest.mark.parametrize(
    ("before", "said", "steps"),
    [
        (ASKED, "no, I meant Spanish", [tr("the dog", "es")]),
        (ASKED, "actually to German", [tr("the dog", "de")]),
        (ASKED, "in Portuguese too", [tr("the dog", "pt")]),
        (SUMMED, "now in Italian", [tr("Tea is old.", "it")]),
        (SUMMED, "in 9 words please", [su(TEA, max_length=9)]),
        (SUMMED, "now as 3 bullet points", [su(TEA, max_length=60)]),
        (SUMMED, "shorter", [su("Tea is old.")]),
        (SUMMED, "translate it to French, not the summary", [tr(TEA, "fr")]),
        (SEARCHED, "translate the whole thing to French", [tr(FOUND, "fr")]),
        (ASKED, "also: where is the cat", [tr("where is the cat", "it")]),
        (ASKED, "also: how much did that cost?", []),
        (SEARCHED, "summarize the second result", [su("Cup: a thing (source: b)")]),
        (SEARCHED, "translate the first one to French", [tr("Tea: a drink (source: a)", "fr")]),
        ((*SEARCHED, Earlier("the second one")), "summarize it", [su("Cup: a thing (source: b)")]),
    ],
)
def test_a_slot_of_what_was_done_is_changed(
    before: tuple[Earlier, ...], said: str, steps: list[object]
) -> None:
    planned = plan(said, SIX, BUDGET, earlier=before)
    assert steps_of(planned) == steps, planned.reply


def test_a_result_that_is_pointed_at_is_shown_for_nothing() -> None:
    planned = plan("the second one", SIX, BUDGET, earlier=SEARCHED)
    assert planned.steps == ()
    assert "Cup: a thing" in (planned.reply or "")
    assert "What shall be done" in (planned.reply or "")


def test_a_pasted_text_is_asked_about() -> None:
    planned = plan(f"{TEA} {TEA}", SIX, BUDGET)
    assert planned.steps == ()
    assert "What shall be done with this text?" in (planned.reply or "")
