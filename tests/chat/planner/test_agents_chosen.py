"""Which agent a wish goes to, and who stands by."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest

from chat_svc.planner import MAX_ALTERNATIVES, Candidate, plan
from tests.chat.planner.market import (
    CHEAP_TRANSLATOR,
    FREE_TRANSLATOR,
    HAIKU,
    HUMAN_TRANSLATORS,
    MANY,
    SIX,
    TRANSLATOR,
    agent,
    away,
)

BUDGET = Decimal(5)


@pytest.mark.parametrize(
    ("text", "chosen", "skill"),
    [
        ("write a haiku about autumn", "basho", "haiku"),
        ("A haiku about autumn please", "basho", "haiku"),
        ("Paint me a picture", "vincent", "painting"),
        ("generate an image of a cat", "vincent", "image_generation"),
        ("Please review my contract", "lex", "contract_review"),
        ("debug this: print(x", "coder", "debugging"),
        ("Fix my python code: print(x", "coder", "codeReview"),
        ("draw up my horoscope", "stars", "astrology"),
        ("What is the weather in Paris?", "wx", "weather"),
        ("tell me about the weather", "wx", "weather"),
        ("what is machine translation?", "search", "search"),
        ("ask Painter to draw a cat", "vincent", "painting"),
    ],
)
def test_newcomers_are_found_by_what_they_say_of_themselves(
    text: str, chosen: str, skill: str
) -> None:
    (step,) = plan(text, MANY, BUDGET).steps
    assert (step.agent_id, step.skill) == (chosen, skill)


def test_a_capability_counts_after_a_skill_and_before_a_description() -> None:
    by_skill = agent("a", "A", "", "origami", "0.30")
    by_capability = agent("b", "B", "", "paper", "0.20", capabilities="origami")
    by_description = agent("c", "C", "Folds origami.", "paper", "0.10")
    (step,) = plan("make an origami crane", (by_description, by_capability, by_skill), BUDGET).steps
    assert (step.agent_id, *step.alternatives) == ("a", "b", "c")


def test_a_new_agent_takes_its_part_in_a_chain() -> None:
    text = "Search for autumn, write a haiku about it and translate the haiku to French"
    steps = plan(text, (*SIX, HAIKU), BUDGET).steps
    assert [(step.agent_id, step.depends_on) for step in steps] == [
        ("search", ()),
        ("basho", (0,)),
        ("translator", (1,)),
    ]
    assert steps[1].payload == {field: {"$result": 0} for field in ("text", "query", "task")}


def test_the_cheapest_available_comes_first_and_the_rest_stand_by() -> None:
    (step,) = plan("Translate 'hello' to German", MANY, BUDGET).steps
    assert step.agent_id == CHEAP_TRANSLATOR.id
    assert step.alternatives == (TRANSLATOR.id, HUMAN_TRANSLATORS.id, FREE_TRANSLATOR.id)


def test_a_dynamic_price_moves_the_choice_to_another() -> None:
    surging = replace(CHEAP_TRANSLATOR, dynamic_price=Decimal("0.11"))
    (step,) = plan("Translate 'hello' to German", (surging, TRANSLATOR), BUDGET).steps
    assert step.agent_id == TRANSLATOR.id


def test_among_equal_prices_the_better_rated_is_taken() -> None:
    better = replace(TRANSLATOR, id="better", rating=Decimal("4.9"))
    (step,) = plan("Translate 'hello' to German", (TRANSLATOR, better), BUDGET).steps
    assert (step.agent_id, step.alternatives) == ("better", (TRANSLATOR.id,))


def test_who_takes_the_language_goes_before_who_does_not() -> None:
    (step,) = plan("Translate 'hello' to Japanese", MANY, BUDGET).steps
    assert step.agent_id == TRANSLATOR.id
    assert CHEAP_TRANSLATOR.id in step.alternatives


def test_nobody_who_is_away_is_called() -> None:
    reply = plan("Translate 'hello' to French", away(SIX, "translator"), BUDGET).reply
    assert reply == (
        "I cannot translate: Translator Agent can do that, but is not available right now."
    )


def test_the_rest_is_done_while_one_is_away() -> None:
    text = "Search for cats, translate it to French and summarize it"
    planned = plan(text, away(SIX, "translator"), BUDGET)
    assert [(step.agent_id, step.depends_on) for step in planned.steps] == [
        ("search", ()),
        ("summarizer", (0,)),
    ]
    assert "not available" in planned.notes[0]


def test_a_named_agent_is_taken_though_others_are_cheaper() -> None:
    text = "translate 'hello' to German with the Human Translation Desk"
    (step,) = plan(text, MANY, BUDGET).steps
    assert step.agent_id == HUMAN_TRANSLATORS.id
    assert step.alternatives[0] == CHEAP_TRANSLATOR.id


def test_a_named_agent_that_is_away_is_replaced_by_its_kind_with_a_note() -> None:
    planned = plan("use Free Translator to translate 'hello' to German", MANY, BUDGET)
    assert planned.steps[0].agent_id == CHEAP_TRANSLATOR.id
    assert planned.notes == (
        "“free translator” is not available right now; Cheap Translator does it.",
    )


def test_a_named_agent_for_a_free_task_is_not_replaced() -> None:
    planned = plan("Ask the Negotiator to plan my day", away(SIX, "mock_negotiator"), BUDGET)
    assert planned.steps == ()
    assert planned.reply is not None
    assert "not available right now" in planned.reply


def test_an_unknown_name_does_not_stop_a_known_kind_of_work() -> None:
    planned = plan("Ask Bob to translate 'hi' to French", SIX, BUDGET)
    assert planned.steps[0].agent_id == TRANSLATOR.id
    assert planned.notes == ("No agent here is called “bob”.",)


def test_ids_that_are_no_words_can_be_named() -> None:
    id_ = "3f2a9c1e-77aa-4b0e-9a51-0c6f6d1b2e11"
    one = replace(SIX[3], id=id_, name="General Helper")
    (step,) = plan(f"use {id_} to water the plants", (one,), BUDGET).steps
    assert step.payload == {"task": "water the plants"}


@pytest.mark.parametrize(
    "skill", ["vqspends8b0e71", "webbudget5", "lowcost2bb", "budget9ct", "q1bb"]
)
def test_no_limit_is_read_in_the_middle_of_a_word(skill: str) -> None:
    one = agent("one", "One", "", skill, "0.1")
    (step,) = plan(f"Please {skill}: the sea", (*SIX, one), BUDGET).steps
    assert (step.agent_id, step.skill) == ("one", skill)


@pytest.mark.parametrize("text", ["Paint me a picture", "buy milk", "do my homework", "xyzzy"])
def test_general_agents_get_nothing_that_they_are_not_named_for(text: str) -> None:
    assert plan(text, SIX, BUDGET).steps == ()


def test_the_same_id_twice_is_one_agent() -> None:
    double = replace(TRANSLATOR, dynamic_price=Decimal(0))
    (step,) = plan("Translate 'hello' to German", (TRANSLATOR, double), BUDGET).steps
    assert step.alternatives == ()


def test_a_price_that_is_no_number_is_not_planned_with() -> None:
    broken: Candidate = replace(TRANSLATOR, dynamic_price=Decimal("NaN"))
    assert plan("Translate 'hello' to German", (broken,), BUDGET).steps == ()


def test_a_crowd_does_not_all_stand_by() -> None:
    crowd = [replace(TRANSLATOR, id=f"t{number:03}") for number in range(100)]
    (step,) = plan("Translate 'hello' to German", crowd, BUDGET).steps
    assert (step.agent_id, len(step.alternatives)) == ("t000", MAX_ALTERNATIVES)


def test_planning_in_threads_is_planning() -> None:
    texts = [f"write a haiku number{number} about planning" for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        plans = list(pool.map(lambda text: plan(text, MANY, BUDGET), texts))
    assert {step.agent_id for planned in plans for step in planned.steps} == {"basho"}
    assert all(len(planned.steps) == 1 for planned in plans)
