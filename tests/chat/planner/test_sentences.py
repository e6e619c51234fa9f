"""The table of sentences: what a person types, and the steps that it is planned into."""

from decimal import Decimal

import pytest

from chat_svc.planner import plan
from tests.chat.planner.expect import Case, steps_of
from tests.chat.planner.market import SIX
from tests.chat.planner.sentences_nothing import INJECTED, NEGOTIATED, NOBODY
from tests.chat.planner.sentences_several import CHAINS, SIDE_BY_SIDE, TEXT_IS_DATA
from tests.chat.planner.sentences_single import BY_NAME, OTHER, TRANSLATIONS

BUDGET = Decimal(5)
TABLE: list[Case] = [
    *TRANSLATIONS,
    *OTHER,
    *BY_NAME,
    *CHAINS,
    *SIDE_BY_SIDE,
    *TEXT_IS_DATA,
    *INJECTED,
]


@pytest.mark.parametrize(("text", "steps"), TABLE, ids=[text[:70] for text, _ in TABLE])
def test_a_sentence_becomes_these_steps(text: str, steps: list[object]) -> None:
    planned = plan(text, SIX, BUDGET)
    assert steps_of(planned) == steps, planned.reply
    assert planned.reply is None
    assert planned.required_skills == tuple(dict.fromkeys(step.skill for step in planned.steps))


@pytest.mark.parametrize(("text", "told"), NOBODY, ids=[repr(text[:40]) for text, _ in NOBODY])
def test_nobody_is_called_and_the_person_is_told(text: str, told: str) -> None:
    planned = plan(text, SIX, BUDGET)
    assert planned.steps == ()
    assert planned.reply is not None
    assert told in planned.reply


@pytest.mark.parametrize(("text", "budget", "asked"), NEGOTIATED)
def test_who_is_offered_how_much(
    text: str, budget: Decimal, asked: list[tuple[str, str | None]]
) -> None:
    planned = plan(text, SIX, budget)
    assert [
        (step.agent_id, None if step.max_offer is None else str(step.max_offer))
        for step in planned.steps
    ] == asked
    assert bool(asked) != bool(planned.reply)
