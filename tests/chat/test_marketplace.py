"""What an orchestrator is shown of a marketplace."""

import json
from decimal import Decimal

import pytest

from chat_svc.claude.limits import Limits, estimate
from chat_svc.marketplace import MOST_SHOWN, shown
from contracts.registry import AgentView


def agent(
    number: int, *, available: bool, skill: str = "translate", description: str = "Does it."
) -> AgentView:
    return AgentView(
        id=f"a{number}",
        name=f"Agent {number}",
        description=description,
        skills=[skill],
        base_price=Decimal("0.10"),
        dynamic_price=Decimal("0.10"),
        load=0,
        rating=Decimal("4.5"),
        jobs_completed=0,
        endpoint_url="http://127.0.0.1:9",
        capabilities=[],
        avg_response_time=0,
        availability=available,
    )


def test_who_can_be_called_is_shown_first_in_the_order_of_registration() -> None:
    away = [agent(number, available=False) for number in range(MOST_SHOWN)]
    here = [agent(MOST_SHOWN + number, available=True) for number in range(3)]
    result = shown([*away, *here], None)
    ids = [one["agent_id"] for one in result["agents"]]
    assert ids[:3] == [one.id for one in here]
    assert ids[3:] == [one.id for one in away][: len(ids) - 3]
    assert result["left_out"] == len(away) + len(here) - len(ids) > 0


@pytest.mark.parametrize(("length", "most"), [(0, MOST_SHOWN), (500, 40), (10, MOST_SHOWN)])
def test_a_list_is_never_so_long_that_it_would_be_cut(length: int, most: int) -> None:
    many = [agent(number, available=True, description="x" * length) for number in range(300)]
    result = shown(many, None)
    assert 1 < len(result["agents"]) <= most
    assert estimate(json.dumps(result)) < Limits().result_tokens
    assert len(result["agents"]) + result["left_out"] == len(many)


def large(number: int, *, schema: int = 0, skills: int = 0) -> AgentView:
    """An agent that says very much of itself."""
    return agent(number, available=True).model_copy(
        update={
            "input_schema": {"description": "x" * schema} if schema else None,
            "skills": ["translate"] + ["y" * 50] * skills,
        }
    )


def test_a_listing_hides_nobody_by_what_it_says_of_itself() -> None:
    loud = [large(0, schema=15_000), large(1, schema=15_000), large(2, skills=400)]
    quiet = [agent(3 + number, available=True) for number in range(40)]
    result = shown([*loud, *quiet], None)
    told = {one["agent_id"]: one for one in result["agents"]}
    assert set(told) == {"a0", "a1", *(one.id for one in quiet)}
    assert told["a0"]["input_schema"] is None
    assert result["left_out"] == 1


def test_who_is_alone_is_shown_with_a_long_schema() -> None:
    [told] = shown([large(0, schema=15_000)], None)["agents"]
    assert told["input_schema"] is not None


@pytest.mark.parametrize(("skill", "expected"), [("TRANSLATE", ["a1"]), ("dance", []), (None, 2)])
def test_a_skill_is_asked_for_in_any_case_of_letters(skill: str, expected: list[str] | int) -> None:
    agents = [agent(1, available=True), agent(2, available=True, skill="search")]
    result = shown(agents, skill)
    found = [one["agent_id"] for one in result["agents"]]
    assert found == expected if skill else len(found) == expected
    assert "left_out" not in result
