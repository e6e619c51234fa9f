"""The words by which the agents for a wish are looked for."""

from dataclasses import replace
from decimal import Decimal

import pytest

from chat_svc.planner import Candidate, plan, terms

ONE = Candidate(
    id="one",
    name="One",
    description="",
    skills=("translate",),
    capabilities=(),
    base_price=Decimal("0.1"),
    dynamic_price=Decimal("0.1"),
    load=0,
    rating=Decimal("4.5"),
    available=True,
    input_schema=None,
)


@pytest.mark.parametrize(
    "wish", ["Translate 'hello' to Spanish", "Traduis 'bonjour' en anglais", "Traduce esto"]
)
def test_a_kind_of_work_is_looked_for_by_its_skill_words(wish: str) -> None:
    assert "translate" in terms(wish)[:3]


def test_a_name_and_a_quality_are_among_the_words() -> None:
    found = terms("Ask the Zweig-Bot to do a premium task")
    assert {"zweig", "premium"} <= set(found)


def test_of_those_that_do_the_same_the_best_score_comes_first() -> None:
    better = replace(ONE, id="two", dynamic_price=Decimal("0.2"), score=0.9)
    agents = [replace(ONE, score=0.8), better]
    (step,) = plan("Translate 'hello' to Spanish", agents, Decimal(1)).steps
    assert (step.agent_id, step.alternatives) == ("two", ("one",))
    # What it may cost goes before.
    (step,) = plan("Translate 'hello' to Spanish", agents, Decimal("0.15")).steps
    assert step.agent_id == "one"
