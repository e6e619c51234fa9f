"""Who is chosen: a pure rule, and what no weights may turn around."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.registry import AgentView
from registry_svc.choosing import Weights, ranked, weights_from, why
from registry_svc.words import name_keys, of_agent, roots

NO_NEWS = {"load": 0, "rating": "4.5", "avg_response_time": 0, "availability": True}


def agent(id_: str, price: str = "0.1", **more: Any) -> AgentView:
    said = {
        "id": id_,
        "name": id_,
        "description": "",
        "skills": ["carve"],
        "base_price": price,
        "dynamic_price": price,
        "jobs_completed": 0,
        "endpoint_url": "http://a",
        "capabilities": [],
    }
    return AgentView.model_validate({**said, **NO_NEWS, **more})


def order(*agents: AgentView, skill: str | None = "carve") -> list[str]:
    found = ranked(list(enumerate(agents)), roots("carve"), skill, Weights())
    return [one.agent.id for one in found]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"price": "0.1"}, {"price": "0.2"}),
        ({"rating": "4.9"}, {"rating": "3.1"}),
        ({"load": 1}, {"load": 8}),
        ({"avg_response_time": 50}, {"avg_response_time": 9_000}),
        ({"price": "9", "rating": "0"}, {"availability": False}),
        ({"price": "9", "rating": "0"}, {"breaker": "open"}),
        ({"price": "0.15"}, {"breaker": "half_open"}),
    ],
)
def test_the_better_of_two_that_are_alike_comes_first(
    better: dict[str, Any], worse: dict[str, Any]
) -> None:
    assert order(agent("a", **worse), agent("b", **better)) == ["b", "a"]
    assert order(agent("b", **better), agent("a", **worse)) == ["b", "a"]


def test_a_skill_counts_more_than_a_word_in_the_description() -> None:
    says = agent("says", skills=["talk"], description="Likes to carve.")
    assert order(says, agent("does"), skill=None) == ["does", "says"]


PRICES = st.decimals(0, 1_000, places=2)
PARTS = st.floats(0, 10)


@given(PRICES, PRICES, st.tuples(*[PARTS] * 6).filter(any))
def test_no_weights_prefer_the_dearer_of_two_that_are_alike(
    one: Decimal, other: Decimal, weights: tuple[float, ...]
) -> None:
    found = ranked(
        [(1, agent("a", str(one))), (2, agent("b", str(other)))], [], "carve", Weights(*weights)
    )
    assert found[0].agent.dynamic_price <= found[1].agent.dynamic_price
    assert all(0 <= each.score <= 1 and 0 <= each.standing <= 1 for each in found)


def test_the_reason_says_so() -> None:
    found = ranked([(1, agent("a")), (2, agent("b", "0.2"))], [], "carve", Weights())
    assert why(found, "carve") == (
        "a has the skill “carve”: the best of 2 who do, by 0.1 BazaarBucks (the lowest price),"
        " 4.5 stars, a load of 0 of 10."
    )
    assert why(found[:1], "carve") == (
        "a has the skill “carve”, and nobody else does: 0.1 BazaarBucks, 4.5 stars,"
        " a load of 0 of 10."
    )
    assert why([], "carve") == "Nobody on the market has the skill “carve”."


def test_weights_are_read_from_a_text() -> None:
    assert weights_from("price=9, rating=0") == Weights(price=9, rating=0)
    assert weights_from(str(Weights(skill=0.5))) == Weights(skill=0.5)


@pytest.mark.parametrize(
    "text",
    [
        "price",
        "price=x",
        "mood=1",
        "price=-1",
        "price=inf",
        "price=nan",
        "skill=0,price=0,rating=0,load=0,latency=0,breaker=0",
    ],
)
def test_weights_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"weight|float"):
        weights_from(text)


@given(st.text(min_size=1), st.text(), st.lists(st.text(), max_size=5))
def test_whatever_an_agent_says_it_is_found_by_few_short_words(
    name: str, description: str, skills: list[str]
) -> None:
    words = of_agent("id", name, skills, [], description)
    assert len(words) == len(set(words)) <= 150
    assert all(0 < len(word) <= 65 for word in words)
    assert all(name_keys(name))


@pytest.mark.parametrize(
    "text", ["Translating", "TRANSLATE", "translated", "Tränslate", "translate"]
)
def test_endings_case_and_accents_do_not_count(text: str) -> None:
    assert roots(text) == roots("translate")
