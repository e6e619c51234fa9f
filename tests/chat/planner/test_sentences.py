"""The table of sentences: what a person types, and the steps that it is planned into."""

from decimal import Decimal

import pytest

from chat_svc.planner import plan
from tests.chat.planner.expect import Case, steps_of
from tests.chat.planner.market import SIX
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
]


@pytest.mark.parametrize(("text", "steps"), TABLE, ids=[text[:70] for text, _ in TABLE])
def test_a_sentence_becomes_these_steps(text: str, steps: list[object]) -> None:
    planned = plan(text, SIX, BUDGET)
    assert steps_of(planned) == steps, planned.reply
    assert planned.reply is None
    assert planned.required_skills == tuple(dict.fromkeys(step.skill for step in planned.steps))
